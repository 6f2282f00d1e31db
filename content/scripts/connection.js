// The live connection: one after another, for as long as the page is open.

import { backoff } from "./retry.js";

/**
 * @typedef {import("./api.js").Endpoint} Endpoint
 * @typedef {"connecting" | "live" | "reconnecting" | "offline"} State
 *
 * @typedef {object} Hub one connection, used once
 * @property {() => Promise<void>} start resolves when it is open, rejects when it cannot be opened
 * @property {() => Promise<void>} stop
 * @property {Promise<unknown>} closed resolves when an open connection has ended, for whatever reason
 *
 * @typedef {object} Options
 * @property {() => Promise<Endpoint>} negotiate
 * @property {(endpoint: Endpoint) => Hub} open
 * @property {(state: State) => void} onState
 * @property {() => void} onAttempt called when an attempt has succeeded or failed: either way updates may be missing
 * @property {(ms: number) => Promise<boolean>} wait resolves to true when the wait was cut short
 * @property {() => boolean} isOnline
 * @property {() => number} now ms
 * @property {(failures: number) => number} [delay] ms
 */

const STABLE = 30_000; // ms: a connection that ends sooner counts as a failure, or the page would knock without a pause

export class LiveConnection {
  /** @type {Hub | null} */
  #hub = null;
  #live = false;
  #wasLive = false;
  #options;

  /** @param {Options} options */
  constructor(options) {
    this.#options = { delay: backoff, ...options };
  }

  /**
   * Keeps a connection open; never returns.
   *
   * @param {Endpoint} [endpoint] for the first connection, unless its access token is empty: the app had none in time;
   *   every other one is negotiated
   */
  async run(endpoint) {
    const { wait, delay } = this.#options;
    for (let failures = 0; ; endpoint = undefined) {
      this.#report();
      const lived = await this.#connect(endpoint);
      failures = lived < STABLE ? failures + 1 : 1;
      const woken = await wait(delay(failures));
      if (woken) failures = 0;
    }
  }

  /** Gives up the present connection: the network is gone, or the page is put aside. */
  drop() {
    void this.#hub?.stop();
    this.#report();
  }

  /**
   * Opens one connection and sees it to its end.
   *
   * @param {Endpoint} [endpoint]
   * @returns {Promise<number>} for how many ms it was live
   */
  async #connect(endpoint) {
    const { negotiate, open, onAttempt, now } = this.#options;
    try {
      this.#hub = open(endpoint?.accessToken ? endpoint : await negotiate());
      await this.#hub.start();
    } catch {
      // The browser and the client library have logged it; there is nothing to do about it but to try again.
      onAttempt();
      return 0;
    }
    const since = now();
    this.#live = this.#wasLive = true;
    this.#report();
    onAttempt();
    await this.#hub.closed;
    this.#live = false;
    this.#report();
    return now() - since;
  }

  #report() {
    const { isOnline, onState } = this.#options;
    if (this.#live) onState("live");
    else if (!isOnline()) onState("offline");
    else onState(this.#wasLive ? "reconnecting" : "connecting");
  }
}
