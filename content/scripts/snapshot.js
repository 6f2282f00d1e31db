// The statistics as the page keeps them. They only grow: of two snapshots, the one with the higher total is newer.

/**
 * @typedef {Readonly<Record<string, number>>} Counts visits by label
 * @typedef {{ total: number, byOS: Counts, byBrowser: Counts }} Snapshot
 * @typedef {{ label: string, count: number, ratio: number }} Share ratio: 0 to 1, of the sum of all counts
 */

/**
 * The arguments of a live update, in the order in which the hub sends them.
 *
 * @param {number} total
 * @param {Counts} byOS
 * @param {Counts} byBrowser
 * @returns {Snapshot}
 */
export function snapshot(total, byOS, byBrowser) {
  if (!Number.isInteger(total)) throw new TypeError(`The total must be a whole number, not ${total}.`);
  return { total, byOS, byBrowser };
}

/**
 * The statistics object of an answer of the app.
 *
 * @param {{ totalNumber: number, byOS: Counts, byBrowser: Counts }} stats
 */
export function fromStats({ totalNumber, byOS, byBrowser }) {
  return snapshot(totalNumber, byOS, byBrowser);
}

/**
 * The newer of two snapshots, whichever arrived first.
 *
 * @param {Snapshot | null} current
 * @param {Snapshot} next
 */
export function newer(current, next) {
  return current !== null && current.total >= next.total ? current : next;
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
    .sort((a, b) => b.count - a.count || a.label.localeCompare(b.label));
}
