// Announcements for screen readers. The total may change every second, so only the first value is announced at once;
// after that a summary of the changes follows, at most one every 30 seconds.

import { formatCheckIns, formatCount } from "./format.js";

const PAUSE = 30_000; // ms

/**
 * @param {object} options
 * @param {(text: string) => void} options.speak
 * @param {(ms: number) => Promise<unknown>} options.wait
 * @returns {(total: number) => void} `announce`: call it with every new total
 */
export function createAnnouncer({ speak, wait }) {
  /** @type {number | null} */
  let announced = null;
  let latest = 0;
  let waiting = false;

  return async function announce(total) {
    latest = total;
    if (waiting) return;
    waiting = true;
    while (announced !== latest) {
      const more = announced === null ? "" : `${formatCount(latest - announced)} more: `;
      speak(`${more}${formatCheckIns(latest)}.`);
      announced = latest;
      await wait(PAUSE);
    }
    waiting = false;
  };
}
