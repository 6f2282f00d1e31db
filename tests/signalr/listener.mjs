// A page's SignalR connection, run by Node: `node listener.mjs URL [TOKEN]`. With a token the URL is the service's;
// without one it is the app's, whose /negotiate names the service. Every event becomes a line of JSON on standard
// output. It lasts as long as its standard input.

import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";

const [url, token] = process.argv.slice(2);
const report = (event, detail = null) => console.log(JSON.stringify([event, detail]));

const connection = new HubConnectionBuilder()
  .withUrl(url, token ? { accessTokenFactory: () => token } : {})
  .withAutomaticReconnect()
  .configureLogging(LogLevel.Error)
  .build();

connection.on("updateSignInStats", (...args) => report("updateSignInStats", args));
connection.onreconnecting(() => report("reconnecting"));
connection.onreconnected(() => report("reconnected"));
connection.onclose((error) => report("closed", error?.message));

process.stdin.resume();
process.stdin.on("end", () => process.exit());

try {
  await connection.start();
  report("connected");
} catch (error) {
  report("failed", error.message);
}

process.stdin.on("data", () => connection.invoke("hello").catch(() => {}));
