// A SignalR connection that only receives: the JSON protocol on a bare WebSocket, without the client library.
// https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md

const END = "\u001e"; // of a message; a frame may have several messages, or a part of one
const CLOSE = 7; // type of a message
const OPEN_TIMEOUT = 10_000; // ms; if a proxy swallows the WebSocket, browsers wait for minutes
const SILENCE = 30_000; // ms; the service sends something at least every 15 s

/** Closes the connection, if there is one. */
export let hangUp = () => {};

/**
 * Opens the one connection, and resolves when it has ended. Rejects if the browser refuses to open it.
 *
 * @param {import("./wire.js").Endpoint} endpoint
 * @param {(message: { type?: number, target?: string, arguments?: any }) => void} onMessage its errors are ignored. The
 *   first message has no type: it is the response to the handshake
 * @returns {Promise<void>}
 */
export function listen({ url, accessToken }, onMessage) {
  return new Promise((resolve) => {
    // "ws" in place of "http", and "wss" of "https".
    const socket = new WebSocket(`ws${url.slice(4)}&access_token=${encodeURIComponent(accessToken)}`);
    let unread = "";

    hangUp = socket.onclose = () => {
      socket.close();
      resolve(); // a WebSocket whose network is gone has no close event yet
    };
    let timer = setTimeout(hangUp, OPEN_TIMEOUT);

    socket.onopen = () => socket.send(`{"protocol":"json","version":1}${END}`);
    socket.onmessage = ({ data }) => {
      clearTimeout(timer);
      timer = setTimeout(hangUp, SILENCE);
      // A ping, because the service drops a client that is silent for 30 s. It answers each message: a timer for it would
      // run once a minute in a hidden tab.
      socket.send(`{"type":6}${END}`);
      const messages = (unread + data).split(END);
      unread = /** @type {string} */ (messages.pop());
      for (const text of messages) {
        try {
          const message = JSON.parse(text);
          if (message.type === CLOSE) hangUp();
          else onMessage(message);
        } catch {
          // A malformed message. The next update has all numbers again.
        }
      }
    };
  });
}
