// When to try again: later each time, never all pages together, and at once on a sign that it may work now.

const FIRST_DELAY = 1_000; // ms
const LONGEST_DELAY = 30_000; // ms

/**
 * How long to wait after so many failures in a row: doubling up to 30 s, less a random part of up to a half, so that
 * the pages that a restart cut off do not come back as one.
 *
 * @param {number} failures 1 after the first failure
 * @param {() => number} [random] 0 to 1
 * @returns {number} ms
 */
export function backoff(failures, random = Math.random) {
  const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (failures - 1));
  return ceiling * (1 - random() / 2);
}

/**
 * Waits, but not beyond the next "wake" event.
 *
 * @param {number} ms
 * @param {EventTarget} [alarm]
 * @returns {Promise<boolean>} whether the wait was cut short
 */
export function sleep(ms, alarm) {
  return new Promise((resolve) => {
    /** @param {boolean} woken */
    const end = (woken) => {
      clearTimeout(timer);
      alarm?.removeEventListener("wake", onWake);
      resolve(woken);
    };
    const onWake = () => end(true);
    const timer = setTimeout(() => end(false), ms);
    alarm?.addEventListener("wake", onWake);
  });
}
