// The time of the last visit, by differences of this device's clock alone: a wrong clock does no harm.

import { INTERVAL, RANGES } from "./history.js";

/** Exact if the page saw the visit happen, otherwise as exact as the history: to the minute, the hour or the day. */
export class LastVisit {
  /** @type {number | null} */
  #time = null;

  /**
   * A visit has just been counted.
   *
   * @param {number} [now] ms since 1970
   */
  happened(now = Date.now()) {
    this.#time = now;
  }

  /**
   * How long ago the last visit was, in ms; null if that is unknown. The history decides if the page has missed a visit,
   * or the device's clock was set.
   *
   * @param {import("./history.js").History | null} history up to now
   * @param {number} [now] ms since 1970
   */
  age(history, now = Date.now()) {
    const age = this.#time === null ? Infinity : now - this.#time;
    const known = history && ageIn(history);
    if (known && Math.abs(age - known.age) > known.precision) this.#time = now - known.age;
    return this.#time === null ? null : Math.max(0, now - this.#time);
  }
}

/**
 * The age of the newest visit in a history; null if there is none.
 *
 * @param {import("./history.js").History} history
 */
function ageIn({ series }) {
  for (const range of RANGES) {
    const { counts } = series[range];
    const intervals = [...counts].reverse().findIndex((count) => count > 0);
    if (intervals >= 0) return { age: intervals * INTERVAL[range], precision: INTERVAL[range] };
  }
  return null;
}
