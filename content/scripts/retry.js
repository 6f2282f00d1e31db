// Delays between retries: exponential backoff with jitter, cut short by a "wake" event.

const FIRST_DELAY = 1_000; // ms
const LONGEST_DELAY = 30_000; // ms

/**
 * The delay after a number of consecutive failures: doubled each time, up to 30 s, less a random part of up to a half.
 * The random part keeps all pages from returning at once after a restart.
 *
 * @param {number} failures 1 after the first one
 * @param {() => number} [random] 0 to 1
 * @returns {number} ms
 */
export function backoff(failures, random = Math.random) {
  const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (failures - 1));
  return ceiling * (1 - random() / 2);
}

/**
 * Waits for a time, or until the next "wake" event.
 *
 * @param {number} ms
 * @param {EventTarget} [alarm]
 * @returns {Promise<boolean>} whether the event cut the wait short
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
