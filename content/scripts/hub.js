// The SignalR hub that pushes the statistics.

import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";

/**
 * @param {import("./api.js").Endpoint} endpoint
 * @param {(total: number, byOS: Record<string, number>, byBrowser: Record<string, number>) => void} onUpdate
 * @returns {import("./connection.js").Hub}
 */
export function openHub({ url, accessToken }, onUpdate) {
  const hub = new HubConnectionBuilder()
    .withUrl(url, { accessTokenFactory: () => accessToken, timeout: 15_000 })
    .configureLogging(LogLevel.Error)
    .build();
  hub.on("updateSignInStats", onUpdate);
  return {
    start: () => hub.start(),
    stop: () => hub.stop(),
    closed: new Promise((resolve) => hub.onclose(resolve)),
  };
}
