// The statistics as the page keeps them. They only grow: of two snapshots, the one with the higher total is newer.

import { advance, fromJson } from "./history.js";

/**
 * @typedef {Readonly<Record<string, number>>} Counts visits by label
 * @typedef {import("./history.js").History} History
 * @typedef {{ byDevice?: Counts }} More
 * @typedef {object} Snapshot what is null is not known
 * @property {number} total
 * @property {Counts} byOS
 * @property {Counts} byBrowser
 * @property {Counts | null} byDevice
 * @property {History | null} history
 * @typedef {{ label: string, count: number, ratio: number }} Share ratio: 0 to 1, of the sum of all counts
 */

/**
 * The arguments of a live update, in the order in which the hub sends them. It has no history.
 *
 * @param {number} total
 * @param {Counts} byOS
 * @param {Counts} byBrowser
 * @param {More} [more]
 * @returns {Snapshot}
 */
export function snapshot(total, byOS, byBrowser, { byDevice } = {}) {
  if (!Number.isInteger(total)) throw new TypeError(`The total must be a whole number, not ${total}.`);
  return { total, byOS, byBrowser, byDevice: byDevice ?? null, history: null };
}

/**
 * The statistics object of an answer of the app.
 *
 * @param {{ totalNumber: number, byOS: Counts, byBrowser: Counts, history?: Parameters<typeof fromJson>[0] } & More} stats
 * @param {number} [now] ms
 * @returns {Snapshot}
 */
export function fromStats({ totalNumber, byOS, byBrowser, byDevice, history }, now = Date.now()) {
  return {
    ...snapshot(totalNumber, byOS, byBrowser, { byDevice }),
    history: history ? fromJson(history, now) : null,
  };
}

/**
 * What is known after one more snapshot, whichever was made first: the higher total, the devices as far as they are
 * known, and the history that was read last; visits that it does not have yet came just now.
 *
 * @param {Snapshot | null} current
 * @param {Snapshot} next
 * @param {number} [now] ms
 * @returns {Snapshot}
 */
export function merge(current, next, now = Date.now()) {
  if (current === null) return next;
  const [older, newer] = next.total > current.total ? [current, next] : [next, current];
  const read = next.history ? next : current;
  return {
    ...newer,
    byDevice: newer.byDevice ?? older.byDevice,
    history: read.history && advance(read.history, newer.total - read.total, now),
  };
}

/**
 * The largest count first; equal ones in the order of their labels.
 *
 * @param {Counts} counts
 * @returns {Share[]}
 */
export function shares(counts) {
  const entries = Object.entries(counts).filter(([, count]) => count > 0);
  const sum = entries.reduce((subtotal, [, count]) => subtotal + count, 0);
  return entries
    .map(([label, count]) => ({ label, count, ratio: count / sum }))
    .toSorted((a, b) => b.count - a.count || a.label.localeCompare(b.label));
}
