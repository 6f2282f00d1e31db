// The connection to the SignalR hub that pushes the statistics.

import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";

import { parseUpdate } from "./wire.js";

const START_TIMEOUT = 30_000; // ms

/**
 * @param {import("./wire.js").Endpoint} endpoint
 * @param {(snapshot: import("./snapshot.js").Snapshot) => void} onSnapshot
 * @returns {import("./connection.js").Hub}
 */
export function openHub({ url, accessToken }, onSnapshot) {
  const hub = new HubConnectionBuilder()
    .withUrl(url, { accessTokenFactory: () => accessToken, timeout: 15_000 })
    .configureLogging(LogLevel.Error)
    .build();
  // The client library logs a malformed update, and the connection goes on.
  hub.on("updateSignInStats", (...update) => onSnapshot(parseUpdate(update)));
  return {
    start: () => startWithTimeout(hub),
    stop: () => hub.stop(),
    closed: new Promise((resolve) => hub.onclose(resolve)),
  };
}

/**
 * Starts a connection; rejects after START_TIMEOUT. The client library has no timeout for a WebSocket that is neither
 * opened nor refused: it waits as long as the browser does, which is minutes.
 *
 * @param {{ start: () => Promise<void>, stop: () => Promise<void> }} hub
 */
async function startWithTimeout(hub) {
  let timer;
  const tooLate = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("SignalR did not answer in time.")), START_TIMEOUT);
  });
  try {
    await Promise.race([hub.start(), tooLate]);
  } catch (error) {
    void hub.stop(); // in case it opens later
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
