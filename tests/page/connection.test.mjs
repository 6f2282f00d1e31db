import assert from "node:assert/strict";
import { test } from "node:test";

import { LiveConnection } from "../../content/scripts/connection.js";
import { TransportError, Transports } from "../../content/scripts/transports.js";
import { Queue } from "./queue.mjs";

const OF_SIGN_IN = { url: "https://x/client/?hub=h", accessToken: "of-sign-in" };
const NEGOTIATED = { url: "https://x/client/?hub=h", accessToken: "negotiated" };

/** Resolves when all pending promises have run: nothing here waits for time or for input. */
const settled = () => new Promise(setImmediate);

/** A connection; the test controls its hubs, waits, network and clock. */
function setUp() {
  const world = {
    online: true,
    time: 0,
    hubs: new Queue(),
    waits: new Queue(),
    states: [],
    attempts: 0,
    negotiations: 0,
    stored: new Map(),
    negotiate: async () => NEGOTIATED,
  };

  const connection = new LiveConnection({
    negotiate: () => {
      world.negotiations++;
      return world.negotiate();
    },
    open: (endpoint, transport) => {
      const started = Promise.withResolvers();
      const closed = Promise.withResolvers();
      const { resolve: succeed, reject: fail } = started;
      world.hubs.push({ endpoint, transport, succeed, fail, end: closed.resolve });
      return { start: () => started.promise, stop: async () => closed.resolve(), closed: closed.promise };
    },
    transports: new Transports(() => ({
      getItem: (key) => world.stored.get(key) ?? null,
      setItem: (key, value) => world.stored.set(key, value),
    })),
    onState: (state) => {
      if (world.states.at(-1) !== state) world.states.push(state);
    },
    onAttempt: () => world.attempts++,
    wait: (ms) => new Promise((end) => world.waits.push({ ms, end: () => end(false), wake: () => end(true) })),
    isOnline: () => world.online,
    now: () => world.time,
    delay: (failures) => failures,
  });
  return { world, connection };
}

test("only the first connection uses the endpoint of the sign-in", async () => {
  const { world, connection } = setUp();
  void connection.run(OF_SIGN_IN);

  const first = await world.hubs.next();
  assert.equal(first.endpoint, OF_SIGN_IN);
  assert.equal(world.negotiations, 0);

  for (const negotiations of [1, 2]) {
    first.succeed();
    first.end();
    (await world.waits.next()).end();
    const next = await world.hubs.next();
    assert.equal(next.endpoint, NEGOTIATED);
    assert.equal(world.negotiations, negotiations);
    next.succeed();
    next.end();
  }
});

test("an endpoint whose connection failed to open is not used again", async () => {
  const { world, connection } = setUp();
  void connection.run(OF_SIGN_IN);
  (await world.hubs.next()).fail(new Error("refused"));
  (await world.waits.next()).end();
  assert.equal((await world.hubs.next()).endpoint, NEGOTIATED);
});

test("without an endpoint, the first connection is negotiated", async () => {
  const { world, connection } = setUp();
  void connection.run();
  assert.equal((await world.hubs.next()).endpoint, NEGOTIATED);
});

test("an endpoint without a token leads to a negotiation", async () => {
  const { world, connection } = setUp();
  void connection.run({ ...OF_SIGN_IN, accessToken: "" });
  assert.equal((await world.hubs.next()).endpoint, NEGOTIATED);
  assert.equal(world.negotiations, 1);
});

test("failed connections are retried without end, with backoff", async () => {
  const { world, connection } = setUp();
  void connection.run(OF_SIGN_IN);
  for (let failures = 1; failures <= 100; failures++) {
    (await world.hubs.next()).fail(new Error("refused"));
    const { ms, end } = await world.waits.next();
    assert.equal(ms, failures);
    end();
  }
  assert.deepEqual(world.states, ["connecting"]);
});

test("a failed negotiation is retried like a failed connection", async () => {
  const { world, connection } = setUp();
  world.negotiate = () => Promise.reject(new TypeError("Failed to fetch"));
  void connection.run();
  assert.equal((await world.waits.next()).ms, 1);
  assert.equal(world.attempts, 1);
});

test("the page catches up after every attempt, failed or not", async () => {
  const { world, connection } = setUp();
  void connection.run(OF_SIGN_IN);
  (await world.hubs.next()).fail(new Error("refused"));
  (await world.waits.next()).end();
  assert.equal(world.attempts, 1);
  const hub = await world.hubs.next();
  hub.succeed();
  hub.end();
  await world.waits.next();
  assert.equal(world.attempts, 2);
});

test("the states follow the connection", async () => {
  const { world, connection } = setUp();
  void connection.run(OF_SIGN_IN);
  const hub = await world.hubs.next();
  assert.deepEqual(world.states, ["connecting"]);
  hub.succeed();
  hub.end();
  (await world.waits.next()).end();
  (await world.hubs.next()).succeed();
  await settled();
  assert.deepEqual(world.states, ["connecting", "live", "reconnecting", "live"]);
});

test("a connection that was live for long resets the backoff", async () => {
  const { world, connection } = setUp();
  void connection.run(OF_SIGN_IN);
  for (let failures = 0; failures < 5; failures++) {
    (await world.hubs.next()).fail(new Error("refused"));
    (await world.waits.next()).end();
  }
  const hub = await world.hubs.next();
  hub.succeed();
  await settled();
  world.time = 60_000;
  hub.end();
  assert.equal((await world.waits.next()).ms, 1);
});

test("a connection that ends at once counts as a failure", async () => {
  const { world, connection } = setUp();
  void connection.run(OF_SIGN_IN);
  for (const failures of [1, 2, 3]) {
    const hub = await world.hubs.next();
    hub.succeed();
    hub.end();
    const { ms, end } = await world.waits.next();
    assert.equal(ms, failures);
    end();
  }
});

test("a wait that is cut short resets the backoff", async () => {
  const { world, connection } = setUp();
  void connection.run(OF_SIGN_IN);
  for (const failures of [1, 2]) {
    (await world.hubs.next()).fail(new Error("refused"));
    const { ms, end } = await world.waits.next();
    assert.equal(ms, failures);
    end();
  }
  (await world.hubs.next()).fail(new Error("refused"));
  (await world.waits.next()).wake();
  (await world.hubs.next()).fail(new Error("refused"));
  assert.equal((await world.waits.next()).ms, 1);
});

test("a connection is dropped and restored with the network", async () => {
  const { world, connection } = setUp();
  void connection.run(OF_SIGN_IN);
  (await world.hubs.next()).succeed();
  await settled();

  world.online = false;
  connection.drop();
  const wait = await world.waits.next();
  assert.equal(world.states.at(-1), "offline");

  world.online = true;
  wait.wake();
  (await world.hubs.next()).succeed();
  await settled();
  assert.deepEqual(world.states, ["connecting", "live", "offline", "reconnecting", "live"]);
});

test("the loss of the network shows during a wait", async () => {
  const { world, connection } = setUp();
  void connection.run(OF_SIGN_IN);
  (await world.hubs.next()).fail(new Error("refused"));
  await world.waits.next();
  world.online = false;
  connection.drop();
  assert.deepEqual(world.states, ["connecting", "offline"]);
});

// Transports

const [WEB_SOCKETS, EVENTS, POLLING] = ["WebSockets", "ServerSentEvents", "LongPolling"];
const FAILURE = new TransportError("There was an error with the transport");

test("a transport that fails is followed by the next at once, with an endpoint of its own", async () => {
  const { world, connection } = setUp();
  void connection.run(OF_SIGN_IN);
  const tried = [];
  for (const endpoint of [OF_SIGN_IN, NEGOTIATED, NEGOTIATED]) {
    const hub = await world.hubs.next();
    tried.push(hub.transport);
    assert.equal(hub.endpoint, endpoint);
    hub.fail(FAILURE);
  }
  assert.deepEqual(tried, [WEB_SOCKETS, EVENTS, POLLING]);
  const { ms, end } = await world.waits.next();
  assert.equal(ms, 1);
  end();
  assert.equal((await world.hubs.next()).transport, WEB_SOCKETS);
});

test("the transport that worked comes first, and the one that failed comes last", async () => {
  const { world, connection } = setUp();
  void connection.run();
  (await world.hubs.next()).fail(FAILURE);
  const hub = await world.hubs.next();
  assert.equal(hub.transport, EVENTS);
  hub.succeed();
  await settled();
  assert.match(world.stored.get("transport"), /^ServerSentEvents /);
  world.time = 60_000;
  hub.end();
  (await world.waits.next()).end();
  const next = await world.hubs.next();
  assert.equal(next.transport, EVENTS);
  next.fail(FAILURE);
  assert.equal((await world.hubs.next()).transport, POLLING);
});

/** Opens a connection that ends before it is stable; returns its transport. */
async function loseConnection(world, reason) {
  const hub = await world.hubs.next();
  hub.succeed();
  await settled();
  world.time += 25_000; // ms
  hub.end(reason);
  (await world.waits.next()).end();
  return hub.transport;
}

test("a transport whose connections do not last comes last, but not after the first one", async () => {
  const { world, connection } = setUp();
  void connection.run();
  assert.equal(await loseConnection(world), WEB_SOCKETS); // the service may have been restarted
  assert.equal(await loseConnection(world), WEB_SOCKETS);
  assert.equal(await loseConnection(world), EVENTS);
});

test("a transport that falls silent comes last at once", async () => {
  const { world, connection } = setUp();
  void connection.run();
  assert.equal(await loseConnection(world, new TransportError("Server timeout elapsed")), WEB_SOCKETS);
  assert.equal(await loseConnection(world), EVENTS);
});

test("a negotiation that fails blames no transport", async () => {
  const { world, connection } = setUp();
  void connection.run(OF_SIGN_IN);
  (await world.hubs.next()).fail(new Error("Failed to complete negotiation"));
  (await world.waits.next()).end();
  assert.equal((await world.hubs.next()).transport, WEB_SOCKETS);
});

for (const isOpen of [true, false]) {
  test(`a page that drops its ${isOpen ? "open" : "opening"} connection blames no transport`, async () => {
    const { world, connection } = setUp();
    void connection.run();
    const hub = await world.hubs.next();
    if (isOpen) hub.succeed();
    await settled();
    connection.drop();
    if (!isOpen) hub.fail(FAILURE);
    (await world.waits.next()).wake();
    assert.equal((await world.hubs.next()).transport, WEB_SOCKETS);
  });
}

const UPDATE_TIMEOUT = 30_000; // ms

/** A page that is live by long polling, because the other transports have failed. */
async function poll(t, whileOpening = () => {}) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const page = setUp();
  void page.connection.run();
  for (const transport of [WEB_SOCKETS, EVENTS]) {
    const hub = await page.world.hubs.next();
    assert.equal(hub.transport, transport);
    hub.fail(FAILURE);
  }
  const hub = await page.world.hubs.next();
  whileOpening(page.connection);
  hub.succeed();
  await settled();
  page.world.time = 60_000; // stable
  return page;
}

test("long polling that delivers no update of visits that were read is replaced after 30 s", async (t) => {
  const { world, connection } = await poll(t);
  void connection.expectUpdate();
  t.mock.timers.tick(UPDATE_TIMEOUT - 1);
  await settled();
  assert.equal(world.states.at(-1), "live");
  t.mock.timers.tick(1);
  (await world.waits.next()).end();
  assert.equal((await world.hubs.next()).transport, WEB_SOCKETS);
});

for (const [when, deliver] of [
  ["before", (connection) => (connection.noteUpdate(), void connection.expectUpdate())],
  ["after", (connection) => (void connection.expectUpdate(), connection.noteUpdate())],
]) {
  test(`long polling that delivered an update ${when} a read stays`, async (t) => {
    const { world, connection } = await poll(t);
    deliver(connection);
    t.mock.timers.tick(UPDATE_TIMEOUT);
    await settled();
    assert.equal(world.states.at(-1), "live");
  });
}

test("visits that were read before the connection was open need no update", async (t) => {
  const { world } = await poll(t, (connection) => void connection.expectUpdate());
  t.mock.timers.tick(UPDATE_TIMEOUT);
  await settled();
  assert.equal(world.states.at(-1), "live");
});

test("a WebSocket without updates stays, because it has pings", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { world, connection } = setUp();
  void connection.run();
  (await world.hubs.next()).succeed();
  await settled();
  void connection.expectUpdate();
  t.mock.timers.tick(UPDATE_TIMEOUT);
  await settled();
  assert.equal(world.states.at(-1), "live");
});

test("a page that lost its polling meanwhile keeps the next connection", async (t) => {
  const { world, connection } = await poll(t);
  void connection.expectUpdate();
  connection.drop();
  (await world.waits.next()).wake();
  (await world.hubs.next()).succeed();
  await settled();
  t.mock.timers.tick(UPDATE_TIMEOUT);
  await settled();
  assert.equal(world.states.at(-1), "live");
});
