// Visits over time. The page reads them from the app and then advances them itself, with each live update.

/**
 * @typedef {"minutes" | "hours" | "days"} Range
 * @typedef {Record<Range, { start: string, counts: number[] }>} HistoryJson as the app sends it
 * @typedef {{ start: number, counts: readonly number[] }} Series visits by interval from `start` on, ms since 1970
 * @typedef {{ at: number, series: Readonly<Record<Range, Series>> }} History `at`: ms since 1970, this device's clock
 */

/** Length of an interval, in ms. */
export const INTERVAL = Object.freeze({ minutes: 60_000, hours: 3_600_000, days: 86_400_000 });

export const RANGES = /** @type {Range[]} */ (Object.keys(INTERVAL));
const FEWEST_DAYS = 30;

/**
 * The history of a response of the app, which is well-formed.
 *
 * @param {HistoryJson} json
 * @param {number} at time of the response, ms since 1970
 * @returns {History}
 */
export function fromJson(json, at) {
  return build(at, (range) => ({ start: Date.parse(json[range].start), counts: json[range].counts }));
}

/**
 * The history some time later: with the intervals that have begun since, and more visits in the newest one. It uses
 * only differences of this device's clock, so a wrong clock does no harm.
 *
 * @param {History} history
 * @param {number} visits
 * @param {number} now
 */
export function advance({ at, series }, visits, now) {
  return build(now, (range) => {
    const interval = INTERVAL[range];
    const { start, counts } = series[range];
    const begun = Math.max(0, Math.floor(now / interval) - Math.floor(at / interval));
    const moved = [...counts, ...Array(Math.min(begun, counts.length)).fill(0)].slice(-counts.length);
    moved[moved.length - 1] += visits;
    return { start: start + begun * interval, counts: moved };
  });
}

/**
 * The part of a series to show. The chart of the year would be almost empty at first, so the days before the first
 * visit are left out, but at least 30 days remain.
 *
 * @param {History} history
 * @param {Range} range
 * @returns {Series}
 */
export function shown({ series }, range) {
  const { start, counts } = series[range];
  if (range !== "days") return series[range];
  const first = counts.findIndex((count) => count > 0);
  const skipped = Math.max(0, Math.min(first < 0 ? Infinity : first, counts.length - FEWEST_DAYS));
  return { start: start + skipped * INTERVAL.days, counts: counts.slice(skipped) };
}

/**
 * @param {number} at
 * @param {(range: Range) => Series} seriesOf
 * @returns {History}
 */
function build(at, seriesOf) {
  const entries = RANGES.map((range) => [range, seriesOf(range)]);
  return { at, series: Object.fromEntries(entries) };
}
