// The live connection. When a connection ends, another one is opened, for as long as the page is open.

import { backoff } from "./retry.js";

/**
 * @typedef {import("./wire.js").Endpoint} Endpoint
 * @typedef {"connecting" | "live" | "reconnecting" | "offline"} State
 *
 * @typedef {object} Hub one connection, for one use
 * @property {() => Promise<void>} start resolves when the connection is open, rejects when it cannot be opened
 * @property {() => Promise<void>} stop
 * @property {Promise<unknown>} closed resolves when an open connection has ended, for any reason
 *
 * @typedef {object} Options
 * @property {() => Promise<Endpoint>} negotiate
 * @property {(endpoint: Endpoint) => Hub} open
 * @property {(state: State) => void} onState
 * @property {() => void} onAttempt called after each attempt to connect, successful or not: updates may be missing
 * @property {(ms: number) => Promise<boolean>} wait resolves to true if the wait was cut short
 * @property {() => boolean} isOnline
 * @property {() => number} now ms
 * @property {(failures: number) => number} [delay] ms
 */

const STABLE = 30_000; // ms; a connection that ends sooner is a failure, or the page would reconnect without pause

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
   * @param {Endpoint} [endpoint] for the first connection, unless its access token is empty (the app had none in time);
   *   the endpoint of every other connection is negotiated
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

  /** Closes the present connection: the network is gone, or the visitor leaves the page. */
  drop() {
    void this.#hub?.stop();
    this.#report();
  }

  /**
   * Opens one connection and waits until it ends.
   *
   * @param {Endpoint} [endpoint]
   * @returns {Promise<number>} how long it was live, in ms
   */
  async #connect(endpoint) {
    const { negotiate, open, onAttempt, now } = this.#options;
    try {
      this.#hub = open(endpoint?.accessToken ? endpoint : await negotiate());
      await this.#hub.start();
    } catch {
      // The browser and the client library have logged the error; the caller tries again.
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
