// The live connection. When a connection ends, another one is opened, for as long as the page is open.

import { backoff, sleep } from "./retry.js";
import { TransportError } from "./transports.js";

/**
 * @typedef {import("./wire.js").Endpoint} Endpoint
 * @typedef {import("./transports.js").Transport} Transport
 * @typedef {"connecting" | "live" | "reconnecting" | "offline"} State
 *
 * @typedef {object} Hub one connection, for one use
 * @property {() => Promise<void>} start resolves when the connection is open; rejects when it cannot be opened, with a
 *   TransportError if another transport may do
 * @property {() => Promise<void>} stop
 * @property {Promise<unknown>} closed resolves when an open connection has ended, for any reason; with a TransportError
 *   if it delivered nothing any more
 *
 * @typedef {object} Options
 * @property {() => Promise<Endpoint>} negotiate
 * @property {(endpoint: Endpoint, transport: Transport) => Hub} open
 * @property {Pick<import("./transports.js").Transports, "order" | "worked" | "failed">} transports
 * @property {(state: State) => void} onState
 * @property {() => void} onAttempt called after each attempt to connect, successful or not: updates may be missing
 * @property {(ms: number) => Promise<boolean>} wait resolves to true if the wait was cut short
 * @property {() => boolean} isOnline
 * @property {() => number} now ms
 * @property {(failures: number) => number} [delay] ms
 */

const STABLE = 30_000; // ms; a connection that ends sooner is a failure, or the page would reconnect without pause

// ms within which an update follows visits that were read. By default the app sends one each second.
const UPDATE_TIMEOUT = 30_000;

export class LiveConnection {
  /** @type {{ hub: Hub, transport: Transport, hasUpdate: boolean, isSilent: boolean } | null} */
  #current = null;
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
      const lived = await this.#connect(endpoint, failures > 0);
      failures = lived < STABLE ? failures + 1 : 1;
      const woken = await wait(delay(failures));
      if (woken) failures = 0;
    }
  }

  /** Closes the present connection: the network is gone, or the visitor leaves the page. */
  drop() {
    void this.#current?.hub.stop();
    this.#current = null;
    this.#report();
  }

  /** Call it with each update that the connection delivers. */
  noteUpdate() {
    if (this.#current) this.#current.hasUpdate = true;
  }

  /**
   * Call it if visits were read that no update had reported. If no update follows, a connection by long polling that has
   * not delivered any is replaced. The other transports have pings, and end without them.
   */
  async expectUpdate() {
    const current = this.#current;
    if (!this.#live || current?.transport !== "LongPolling") return;
    await sleep(UPDATE_TIMEOUT);
    if (current.hasUpdate) return;
    current.isSilent = true;
    void current.hub.stop();
  }

  /**
   * Opens one connection and waits until it ends. The transport is to blame if it was silent, or if the connection does
   * not last and is not the first one that fails: the service may have been restarted.
   *
   * @param {Endpoint | undefined} endpoint
   * @param {boolean} hasFailed whether the connection before this one has failed
   * @returns {Promise<number>} how long it was live, in ms
   */
  async #connect(endpoint, hasFailed) {
    const { transports, onAttempt, now } = this.#options;
    const opened = await this.#open(endpoint);
    if (opened === null) return 0;
    const since = now();
    transports.worked(opened.transport);
    this.#live = this.#wasLive = true;
    this.#report();
    onAttempt();
    const reason = await opened.hub.closed;
    this.#live = false;
    this.#report();
    const lived = now() - since;
    const wasDropped = this.#current !== opened;
    const isSilent = opened.isSilent || reason instanceof TransportError;
    if (!wasDropped && (isSilent || (hasFailed && lived < STABLE))) transports.failed(opened.transport);
    return lived;
  }

  /**
   * Opens a connection by the first transport that can. Without a negotiation, none can.
   *
   * @param {Endpoint} [endpoint] for the first one
   */
  async #open(endpoint) {
    const { negotiate, open, transports, onAttempt } = this.#options;
    for (const transport of transports.order) {
      let attempt = null;
      try {
        const hub = open(endpoint?.accessToken ? endpoint : await negotiate(), transport);
        this.#current = attempt = { hub, transport, hasUpdate: false, isSilent: false };
        await hub.start();
        return attempt;
      } catch (error) {
        // The browser and the client library have logged the error; the caller tries again.
        onAttempt();
        if (!(error instanceof TransportError) || this.#current !== attempt) return null;
        transports.failed(transport);
        endpoint = undefined;
      }
    }
    return null;
  }

  #report() {
    const { isOnline, onState } = this.#options;
    if (this.#live) onState("live");
    else if (!isOnline()) onState("offline");
    else onState(this.#wasLive ? "reconnecting" : "connecting");
  }
}
