import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";

import { openHub } from "../../content/scripts/hub.js";
import { TransportError } from "../../content/scripts/transports.js";

const NEGOTIATION = {
  connectionId: "id",
  negotiateVersion: 1,
  connectionToken: "token",
  availableTransports: ["WebSockets", "ServerSentEvents", "LongPolling"].map((transport) => ({
    transport,
    transferFormats: ["Text"],
  })),
};

const START_TIMEOUT = 18_000; // ms
const SILENCE = 25_000; // ms
const NEGOTIATION_TIMEOUT = 15_000; // ms
const CLOSE_FRAME = 0x88;
const HANDSHAKE = "\x81\x03{}\x1e"; // a frame of three bytes

/** The response that opens a WebSocket. */
function acceptance(key) {
  const digest = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return `HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${digest}\r\n\r\n`;
}

const negotiated = (request, response) => response.end(JSON.stringify(NEGOTIATION));

/** A service that negotiates; the test handles the WebSocket. */
async function serve(t, respond = negotiated) {
  const server = createServer(respond);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, endpoint: { url: `http://127.0.0.1:${server.address().port}/client/?hub=h`, accessToken: "t" } };
}

/** Opens a hub by WebSocket, and waits until the service has the request for it. */
async function connect(t) {
  const { server, endpoint } = await serve(t);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const upgrade = once(server, "upgrade");
  const hub = openHub(endpoint, "WebSockets", () => {});
  const started = hub.start();
  const [request, socket] = await upgrade;
  t.after(() => socket.destroy());
  return { hub, started, socket, accept: () => socket.write(acceptance(request.headers["sec-websocket-key"])) };
}

test("a WebSocket that stays pending is a failure after 18 s", async (t) => {
  const { started } = await connect(t);
  t.mock.timers.tick(START_TIMEOUT - 1);
  assert.equal(await Promise.race([started, "pending"]), "pending");
  t.mock.timers.tick(1);
  await assert.rejects(started, (error) => error instanceof TransportError);
});

for (const [transport, name] of [
  ["WebSockets", "WebSocket"],
  ["ServerSentEvents", "EventSource"],
]) {
  for (const [reason, end] of [
    ["it takes too long", (t) => t.mock.timers.tick(START_TIMEOUT)],
    ["the connection is stopped", (t, hub) => void hub.stop()],
  ]) {
    test(`a pending ${name} is closed if ${reason}`, async (t) => {
      const opened = Promise.withResolvers();
      const closed = Promise.withResolvers();
      const original = globalThis[name];
      t.after(() => Object.assign(globalThis, { [name]: original }));
      globalThis[name] = class {
        CONNECTING = 0;
        readyState = 0;
        close = closed.resolve;
        constructor() {
          opened.resolve();
        }
      };
      const { endpoint } = await serve(t);
      t.mock.timers.enable({ apis: ["setTimeout"] });
      const hub = openHub(endpoint, transport, () => {});
      hub.start().catch(() => {});
      await opened.promise;
      end(t, hub);
      await closed.promise;
    });
  }
}

test("a WebSocket that opens and delivers nothing is a failure after 18 s, and closed", async (t) => {
  const { started, socket, accept } = await connect(t);
  accept();
  await once(socket, "data"); // the client's part of the handshake
  t.mock.timers.tick(START_TIMEOUT);
  await assert.rejects(started, (error) => error instanceof TransportError);
  const [frame] = await once(socket, "data");
  assert.equal(frame[0], CLOSE_FRAME);
});

test("a connection without pings ends after 25 s", async (t) => {
  const { hub, started, socket, accept } = await connect(t);
  accept();
  await once(socket, "data");
  socket.write(HANDSHAKE, "latin1");
  await started;
  t.mock.timers.tick(SILENCE - 1);
  assert.equal(await Promise.race([hub.closed, "open"]), "open");
  t.mock.timers.tick(1);
  assert.ok((await hub.closed) instanceof TransportError);
});

test("a connection that the service ends is no fault of its transport", async (t) => {
  const { hub, started, socket, accept } = await connect(t);
  accept();
  await once(socket, "data");
  socket.write(HANDSHAKE, "latin1");
  await started;
  socket.destroy();
  const reason = await hub.closed;
  assert.ok(reason instanceof Error && !(reason instanceof TransportError));
});

test("a refused WebSocket fails with the client's error", async (t) => {
  const { server, endpoint } = await serve(t);
  server.on("upgrade", (request, socket) => socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n"));
  const started = openHub(endpoint, "WebSockets", () => {}).start();
  await assert.rejects(started, (error) => error instanceof TransportError && /WebSocket/.test(error.message));
});

for (const [transport, accepted] of [
  ["ServerSentEvents", "text/event-stream"],
  ["LongPolling", "*/*"],
]) {
  test(`a connection uses only its transport: ${transport}`, async (t) => {
    const requests = [];
    const { endpoint } = await serve(t, (request, response) => {
      if (request.method === "POST") return negotiated(request, response);
      requests.push(request.headers.accept);
      response.writeHead(403).end();
    });
    const started = openHub(endpoint, transport, () => {}).start();
    await assert.rejects(started, (error) => error instanceof TransportError);
    assert.deepEqual(requests, [accepted]);
  });
}

const isNegotiationError = (error) => !(error instanceof TransportError) && /negotiation/.test(error.message);

test("the transport is not to blame if the negotiation is refused", async (t) => {
  const { endpoint } = await serve(t, (request, response) => response.writeHead(502).end());
  await assert.rejects(openHub(endpoint, "WebSockets", () => {}).start(), isNegotiationError);
});

test("the transport is not to blame if the negotiation hangs", async (t) => {
  const arrived = Promise.withResolvers();
  const { endpoint } = await serve(t, arrived.resolve);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const started = openHub(endpoint, "WebSockets", () => {}).start();
  await arrived.promise;
  t.mock.timers.tick(NEGOTIATION_TIMEOUT);
  await assert.rejects(started, isNegotiationError);
});
