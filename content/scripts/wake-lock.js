// Keeps the screen awake.

/**
 * @typedef {{ released: boolean, release: () => Promise<void> }} Lock
 *
 * @param {{ wakeLock?: { request: (type: "screen") => Promise<Lock> } }} navigator without `wakeLock` if the browser lacks it
 * @param {EventTarget & { visibilityState: string, featurePolicy?: { allowsFeature: (name: string) => boolean } }} document
 *   `featurePolicy` is Chromium's; it logs an error if a frame without the permission requests a lock
 * @returns {(wanted: boolean) => void}
 */
export function createWakeLock({ wakeLock }, document) {
  let isWanted = false;
  /** @type {Lock | null} */
  let lock = null;
  let work = Promise.resolve();

  const isAllowed = () => document.featurePolicy?.allowsFeature("screen-wake-lock") !== false;

  async function update() {
    if (!isWanted) {
      await lock?.release();
      lock = null;
    } else if (document.visibilityState === "visible" && lock?.released !== false && isAllowed()) {
      // It may be refused, for example when the battery is low.
      lock = (await wakeLock?.request("screen").catch(() => null)) ?? null;
    }
  }

  // One step after the other, so that no lock is forgotten while another one is requested.
  const next = () => void (work = work.then(update));

  // The browser releases the lock when the page is hidden.
  document.addEventListener("visibilitychange", next);
  return (wanted) => {
    isWanted = wanted;
    next();
  };
}
