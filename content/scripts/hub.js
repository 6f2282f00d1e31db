// The SignalR hub that pushes the statistics.

import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";

const PATIENCE = 30_000; // ms

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
    start: () => inTime(hub),
    stop: () => hub.stop(),
    closed: new Promise((resolve) => hub.onclose(resolve)),
  };
}

/**
 * Starts a connection, or gives it up: the client itself waits for a WebSocket that is neither opened nor refused for as
 * long as the browser does, which is minutes.
 *
 * @param {{ start: () => Promise<void>, stop: () => Promise<void> }} hub
 */
async function inTime(hub) {
  let timer;
  const tooLate = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("SignalR did not answer in time.")), PATIENCE);
  });
  try {
    await Promise.race([hub.start(), tooLate]);
  } catch (error) {
    void hub.stop(); // should it open after all
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
