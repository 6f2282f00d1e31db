// A connection in Node: `node listener.mjs '{"url": …, "token": …, "transport": …, "protocol": …}'`; only the url is
// required. Every event becomes a line of JSON on standard output; every line of standard input calls a hub method. The
// process ends with its standard input.

import * as signalR from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";
import { connect } from "./connection.mjs";

const PROTOCOLS = { json: signalR.JsonHubProtocol, messagepack: MessagePackHubProtocol };

process.stdin.resume();
process.stdin.on("end", () => process.exit());

const options = JSON.parse(process.argv[2]);
options.protocol = new PROTOCOLS[options.protocol ?? "json"]();
const connection = await connect(signalR, options, (event) => console.log(JSON.stringify(event)));

process.stdin.on("data", () => connection.invoke("hello").catch(() => {}));
