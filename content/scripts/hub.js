// The connection to the SignalR hub that pushes the statistics.

import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";

const START_TIMEOUT = 30_000; // ms

/**
 * @param {import("./api.js").Endpoint} endpoint
 * @param {(...update: Parameters<typeof import("./snapshot.js").snapshot>) => void} onUpdate
 * @returns {import("./connection.js").Hub}
 */
export function openHub({ url, accessToken }, onUpdate) {
  const hub = new HubConnectionBuilder()
    .withUrl(url, { accessTokenFactory: () => accessToken, timeout: 15_000 })
    .configureLogging(LogLevel.Error)
    .build();
  hub.on("updateSignInStats", onUpdate);
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
