// Reads the statistics when updates may have been missed. It retries until it succeeds, with one request at a time.

import { backoff } from "./retry.js";

/** @typedef {import("./snapshot.js").Snapshot} Snapshot */

/**
 * @param {object} options
 * @param {() => Promise<Snapshot>} options.fetchStats
 * @param {(snapshot: Snapshot) => void} options.onSnapshot
 * @param {(error: Error) => void} options.onError
 * @param {(ms: number) => Promise<unknown>} options.wait
 * @param {(failures: number) => number} [options.delay]
 * @returns {() => Promise<void>} `catchUp`: resolves after a read that began after the call. If an earlier call still
 *   reads, it resolves at once, and the earlier call reads again
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
