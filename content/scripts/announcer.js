// What a screen reader says of a number that may change every second: the first value at once, then a summary now and
// then, of what has changed in between.

import { formatCheckIns, formatCount } from "./format.js";

const PAUSE = 30_000; // ms

/**
 * @param {object} options
 * @param {(text: string) => void} options.say
 * @param {(ms: number) => Promise<unknown>} options.wait
 * @returns {(total: number) => void} to be told every total
 */
export function createAnnouncer({ say, wait }) {
  /** @type {number | null} */
  let said = null;
  let latest = 0;
  let waiting = false;

  return async function announce(total) {
    latest = total;
    if (waiting) return;
    waiting = true;
    while (said !== latest) {
      say(said === null ? `${formatCheckIns(latest)}.` : `${formatCount(latest - said)} more: ${formatCheckIns(latest)}.`);
      said = latest;
      await wait(PAUSE);
    }
    waiting = false;
  };
}
