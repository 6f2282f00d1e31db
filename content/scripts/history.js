// Visits over time. The app tells them when it is asked; from then on the page goes on counting by itself.

/**
 * @typedef {"minutes" | "hours" | "days"} Range
 * @typedef {{ start: number, counts: readonly number[] }} Series visits by interval; `start`: of the first, ms since 1970
 * @typedef {{ at: number, series: Readonly<Record<Range, Series>> }} History `at`: ms, by the clock of this device
 */

/** How long an interval is, in ms. */
export const INTERVAL = Object.freeze({ minutes: 60_000, hours: 3_600_000, days: 86_400_000 });

const RANGES = /** @type {Range[]} */ (Object.keys(INTERVAL));
const FEWEST_DAYS = 30;

/**
 * The `history` of an answer of the app.
 *
 * @param {Record<Range, { start: string, counts: number[] }>} json
 * @param {number} at when it was answered
 * @returns {History}
 */
export function fromJson(json, at) {
  return build(at, (range) => ({ start: Date.parse(json[range].start), counts: json[range].counts }));
}

/**
 * The history some time later: intervals that have begun since, and further visits in the newest. Only differences of
 * this device's clock count, so that one that is wrong does no harm.
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
 * A series as it is worth showing: a year that is mostly still to come would be a blank, so that days before the first
 * visit are left out as long as a month remains.
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
