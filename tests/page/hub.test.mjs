import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";

import { openHub } from "../../content/scripts/hub.js";

const NEGOTIATION = {
  connectionId: "id",
  negotiateVersion: 1,
  connectionToken: "token",
  availableTransports: [{ transport: "WebSockets", transferFormats: ["Text"] }],
};

const START_TIMEOUT = 30_000; // ms
const CLOSE_FRAME = 0x88;

/** The response that opens a WebSocket. */
function acceptance(key) {
  const digest = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return `HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${digest}\r\n\r\n`;
}

/** A service that negotiates; the test handles the WebSocket. */
async function serve(t) {
  const server = createServer((request, response) => response.end(JSON.stringify(NEGOTIATION)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, endpoint: { url: `http://127.0.0.1:${server.address().port}/client/?hub=h`, accessToken: "t" } };
}

test("a connection that stays pending is rejected after 30 s", async (t) => {
  const { server, endpoint } = await serve(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const upgrade = once(server, "upgrade");
  const started = openHub(endpoint, () => {}).start();
  const [, socket] = await upgrade;
  t.mock.timers.tick(START_TIMEOUT);
  await assert.rejects(started, { message: "SignalR did not answer in time." });
  socket.destroy();
});

test("a connection that opens after the timeout is closed", async (t) => {
  const { server, endpoint } = await serve(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const upgrade = once(server, "upgrade");
  const started = openHub(endpoint, () => {}).start();
  const [request, socket] = await upgrade;
  t.mock.timers.tick(START_TIMEOUT);
  await assert.rejects(started);

  socket.write(acceptance(request.headers["sec-websocket-key"]));
  const [frame] = await once(socket, "data");
  assert.equal(frame[0], CLOSE_FRAME);
  socket.destroy();
});

test("a refused connection fails with the client's error", async (t) => {
  const { server, endpoint } = await serve(t);
  server.on("upgrade", (request, socket) => socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n"));
  await assert.rejects(openHub(endpoint, () => {}).start(), /WebSocket/);
});
