// The connection to the SignalR hub that pushes the statistics.

import { HttpTransportType, HubConnectionBuilder, LogLevel } from "@microsoft/signalr";

import { TransportError } from "./transports.js";
import { parseUpdate } from "./wire.js";

const NEGOTIATION_TIMEOUT = 15_000; // ms

// ms for the negotiation, the transport and the handshake. Three transports in a row take less than a minute.
const START_TIMEOUT = 18_000;

// ms without a message, after which a connection ends; the service pings every 15 s. The library's 30 s would be too long
// for a page to be live within a minute if two transports open and then deliver nothing.
const SILENCE = 25_000;

/**
 * @param {import("./wire.js").Endpoint} endpoint
 * @param {import("./transports.js").Transport} transport
 * @param {(snapshot: import("./snapshot.js").Snapshot) => void} onSnapshot
 * @returns {import("./connection.js").Hub}
 */
export function openHub({ url, accessToken }, transport, onSnapshot) {
  /** @type {(WebSocket | EventSource)[]} */
  const sockets = [];

  /**
   * A class whose sockets `stop` can close. The library itself cannot close one that is still connecting, and a browser
   * allows one connecting WebSocket to a host, and by HTTP/1.1 six event sources.
   *
   * @template {typeof WebSocket | typeof EventSource} SocketClass
   * @param {SocketClass | undefined} socketClass undefined if the browser has none
   */
  const recorded = (socketClass) =>
    socketClass &&
    new Proxy(socketClass, {
      construct(target, parameters) {
        const socket = Reflect.construct(target, parameters);
        sockets.push(socket);
        return socket;
      },
    });

  const options = {
    accessTokenFactory: () => accessToken,
    timeout: NEGOTIATION_TIMEOUT,
    transport: HttpTransportType[transport],
    WebSocket: recorded(globalThis.WebSocket),
    EventSource: recorded(globalThis.EventSource),
  };
  const hub = new HubConnectionBuilder()
    .withUrl(url, options)
    .withServerTimeout(SILENCE)
    .configureLogging(LogLevel.Error)
    .build();
  // The client library logs a malformed update, and the connection goes on.
  hub.on("updateSignInStats", (...update) => onSnapshot(parseUpdate(update)));

  async function stop() {
    for (const socket of sockets) if (socket.readyState === socket.CONNECTING) socket.close();
    await hub.stop();
  }

  async function start() {
    let timer;
    const tooLate = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("SignalR did not answer in time.")), START_TIMEOUT);
    });
    try {
      await Promise.race([hub.start(), tooLate]);
    } catch (cause) {
      void stop(); // in case it opens later
      const { errorType, message } = /** @type {Error & { errorType?: string }} */ (cause);
      throw errorType === "FailedToNegotiateWithServerError" ? cause : new TransportError(message, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  const closed = new Promise((resolve) =>
    hub.onclose((error) => resolve(/timeout elapsed/.test(error?.message ?? "") ? new TransportError(error?.message) : error)),
  );
  return { start, stop, closed };
}
