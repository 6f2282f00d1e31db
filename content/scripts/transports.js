// Which of SignalR's transports the next connection tries first. Networks differ: a company proxy may refuse WebSockets,
// never answer them, or hold back a stream of events until it ends.
//
// The client library has a fallback of its own, but only from a transport that is refused: it waits as long as the
// browser for a WebSocket that is neither opened nor refused (minutes), never leaves one that opens and delivers nothing,
// and begins each connection with the same transport. So each connection gets one transport.

/** @typedef {"WebSockets" | "ServerSentEvents" | "LongPolling"} Transport a name of the client library */

/** @type {readonly Transport[]} */
const TRANSPORTS = ["WebSockets", "ServerSentEvents", "LongPolling"];

const KEY = "transport";

/** A transport cannot open a connection, although the negotiation, which needs none, was fine; or it is silent. */
export class TransportError extends Error {}

/**
 * The order in which a page tries the transports: the one that worked last comes first, those that failed come last. None
 * is left out for good, because the network may change.
 *
 * The browser remembers a transport other than WebSockets for the rest of the day (UTC), so that the next page in the
 * same network is live at once. The day after, in another network perhaps, WebSockets come first again.
 */
export class Transports {
  #order = [...TRANSPORTS];
  #storage;
  #today;

  /**
   * @param {() => Pick<Storage, "getItem" | "setItem" | "removeItem">} storage throws if the browser forbids it
   * @param {() => number} [now] ms since 1970
   */
  constructor(storage, now = Date.now) {
    this.#storage = storage;
    this.#today = () => new Date(now()).toISOString().slice(0, 10);
    const remembered = TRANSPORTS.find((transport) => this.#read() === `${transport} ${this.#today()}`);
    if (remembered) this.#moveToFront(remembered);
  }

  /** @returns {readonly Transport[]} all transports, the first one to try first */
  get order() {
    return [...this.#order];
  }

  /**
   * Call it when a connection is open.
   *
   * @param {Transport} transport
   */
  worked(transport) {
    this.#moveToFront(transport);
    try {
      if (transport === TRANSPORTS[0]) this.#storage().removeItem(KEY);
      else this.#storage().setItem(KEY, `${transport} ${this.#today()}`);
    } catch {
      // Forbidden or full: the next page begins with WebSockets.
    }
  }

  /**
   * Call it if a connection could not be opened, delivered nothing, or did not last.
   *
   * @param {Transport} transport
   */
  failed(transport) {
    this.#order = [...this.#order.filter((other) => other !== transport), transport];
  }

  /** Call it when the network has changed. */
  reset() {
    this.#order = [...TRANSPORTS];
  }

  /** @param {Transport} transport */
  #moveToFront(transport) {
    this.#order = [transport, ...this.#order.filter((other) => other !== transport)];
  }

  #read() {
    try {
      return this.#storage().getItem(KEY);
    } catch {
      return null;
    }
  }
}
