// Reports to the app that the page is open and visible: with its sign-in, with its readings of the statistics, and when it
// is left. The page has no identifier: it sends back the slot that the last response contained, and all pages that read
// within the same seconds have the same slot.

/** @typedef {import("./wire.js").Here} Here */

const IN_NO_SLOT = "new";
const IN_PRESENT_SLOT = "now";

export class Presence {
  #slot = IN_NO_SLOT;
  #isReporting = false;
  #isClosed = false;
  #isShown;
  #sendLeave;

  /**
   * @param {object} options
   * @param {() => boolean} options.isShown
   * @param {(slot: string) => void} options.sendLeave
   */
  constructor({ isShown, sendLeave }) {
    this.#isShown = isShown;
    this.#sendLeave = sendLeave;
  }

  /**
   * Makes a request that reports the page, if it is visible. Only one request at a time does: each changes the slot.
   *
   * @template T
   * @param {(slot: string | null) => Promise<T>} request
   * @param {(answer: T) => Here | null} hereOf null if the answer contains none
   * @returns {Promise<T>}
   */
  async report(request, hereOf) {
    if (this.#isReporting || !this.#isShown()) return request(null);
    this.#isReporting = true;
    try {
      const answer = await request(this.#slot);
      this.#slot = (!this.#isClosed && hereOf(answer)?.slot) || IN_NO_SLOT;
      return answer;
    } finally {
      this.#isReporting = this.#isClosed = false;
      if (!this.#isShown()) this.leave();
    }
  }

  /** The page is closed. It does not see the answer to a request under way, which moves it to the present slot. */
  close() {
    if (!this.#isReporting) return this.leave();
    this.#isClosed = true; // a page that comes back from the back/forward cache may see the answer
    this.#sendLeave(IN_PRESENT_SLOT);
  }

  /** The page is hidden. If a request is under way, its answer contains the slot that is to be left. */
  leave() {
    if (this.#isReporting || this.#slot === IN_NO_SLOT) return;
    this.#sendLeave(this.#slot);
    this.#slot = IN_NO_SLOT;
  }
}
