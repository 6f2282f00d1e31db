// Milestones: totals of 100, 1,000, 10,000, …

/**
 * The largest milestone that a total has reached; null if it has reached none. An update may jump over a milestone, or
 * over several.
 *
 * @param {number} before the total until then
 * @param {number} after
 */
export function milestoneReached(before, after) {
  const largest = 10 ** (String(after).length - 1);
  return largest >= 100 && before < largest ? largest : null;
}
