// The statistics on the page. They only grow, so of two snapshots the one with the higher total is newer.

import { advance } from "./history.js";

/**
 * @typedef {Readonly<Record<string, number>>} Counts visits by label
 * @typedef {Readonly<Record<string, Counts>>} CountsByKey by member of the statistics: "byOS", "byBrowser", …
 * @typedef {import("./history.js").History} History
 * @typedef {object} Snapshot
 * @property {number} total
 * @property {CountsByKey} counts those that are known
 * @property {History | null} history null means unknown
 * @property {import("./wire.js").Here | null} here null means unknown, or not counted
 * @typedef {{ label: string, count: number, ratio: number }} Share ratio: 0 to 1, of the sum of all counts
 */

/**
 * Merges two snapshots that may have arrived in the wrong order: the counts of the higher total, completed by those that
 * only the other one has, and the history that was read last. Visits that are missing in that history are added to its
 * newest interval. The number of open pages does not only grow: it is that of the snapshot that arrived last.
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
    counts: { ...older.counts, ...newer.counts },
    history: read.history && advance(read.history, newer.total - read.total, now),
    here: next.here,
  };
}

/**
 * Sorted by count, largest first, then by label.
 *
 * @param {Counts} counts
 * @returns {Share[]}
 */
export function shares(counts) {
  const entries = Object.entries(counts).filter(([, count]) => count > 0);
  const sum = entries.reduce((subtotal, [, count]) => subtotal + count, 0);
  return entries
    .map(([label, count]) => ({ label, count, ratio: count / sum }))
    .sort((a, b) => b.count - a.count || a.label.localeCompare(b.label));
}
