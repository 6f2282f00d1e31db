// Reading the statistics when updates may have been missed. Reading goes on until it succeeds, one request at a time.

import { backoff } from "./retry.js";

/** @typedef {import("./snapshot.js").Snapshot} Snapshot */

/**
 * @param {object} options
 * @param {() => Promise<Snapshot>} options.fetchStats
 * @param {(snapshot: Snapshot) => void} options.onSnapshot
 * @param {(error: Error) => void} options.onError
 * @param {(ms: number) => Promise<unknown>} options.wait
 * @param {(failures: number) => number} [options.delay]
 * @returns {() => Promise<void>} `catchUp`: resolves when a reading that began after the call is in, or is left to the
 *   call that was there first
 */
export function createCatchUp({ fetchStats, onSnapshot, onError, wait, delay = backoff }) {
  let wanted = false;
  let reading = false;

  return async function catchUp() {
    wanted = true;
    if (reading) return;
    reading = true;
    for (let failures = 0; wanted; ) {
      wanted = false;
      try {
        onSnapshot(await fetchStats());
        failures = 0;
      } catch (error) {
        onError(/** @type {Error} */ (error));
        wanted = true;
        await wait(delay(++failures));
      }
    }
    reading = false;
  };
}
