// A page's SignalR connection, for any version of the JavaScript client, in Node and in browsers.

/**
 * Connect, and report every event as `[name, detail]`: connected or failed, updateSignInStats, reconnecting,
 * reconnected, closed. Without a token the URL is that of an app, whose /negotiate names the service.
 */
export async function connect(signalR, { url, token, transport, protocol }, report) {
  const options = {};
  if (token) options.accessTokenFactory = () => token;
  if (transport) options.transport = signalR.HttpTransportType[transport];
  let builder = new signalR.HubConnectionBuilder().withUrl(url, options).configureLogging(signalR.LogLevel.None);
  if (protocol) builder = builder.withHubProtocol(protocol);
  // @aspnet/signalr does not have it.
  if (builder.withAutomaticReconnect) builder = builder.withAutomaticReconnect();
  const connection = builder.build();
  connection.on("updateSignInStats", (...args) => report(["updateSignInStats", args]));
  connection.onreconnecting?.(() => report(["reconnecting", null]));
  connection.onreconnected?.(() => report(["reconnected", null]));
  connection.onclose((error) => report(["closed", error?.message ?? null]));
  try {
    await connection.start();
    report(["connected", null]);
  } catch (error) {
    report(["failed", error.message]);
  }
  return connection;
}
