import assert from "node:assert/strict";
import { test } from "node:test";

import { Transports } from "../../content/scripts/transports.js";

const [WEB_SOCKETS, EVENTS, POLLING] = ["WebSockets", "ServerSentEvents", "LongPolling"];
const MORNING = Date.parse("2026-11-23T08:00:00Z");
const HOUR = 3_600_000; // ms

const storageOf = (map) => ({
  getItem: (key) => map.get(key) ?? null,
  setItem: (key, value) => map.set(key, value),
  removeItem: (key) => map.delete(key),
});
const forbidden = () => {
  throw new DOMException("The operation is insecure.", "SecurityError");
};

/** The transports of a page that a browser opens at a time. */
const open = (stored = new Map(), time = MORNING) => new Transports(() => storageOf(stored), () => time);

test("WebSockets come first, long polling last", () => {
  assert.deepEqual(open().order, [WEB_SOCKETS, EVENTS, POLLING]);
});

test("a transport that fails comes last, and none is left out", () => {
  const transports = open();
  transports.failed(WEB_SOCKETS);
  assert.deepEqual(transports.order, [EVENTS, POLLING, WEB_SOCKETS]);
  transports.failed(EVENTS);
  assert.deepEqual(transports.order, [POLLING, WEB_SOCKETS, EVENTS]);
  transports.failed(POLLING);
  assert.deepEqual(transports.order, [WEB_SOCKETS, EVENTS, POLLING]);
});

test("the transport that worked comes first", () => {
  const transports = open();
  transports.worked(POLLING);
  assert.deepEqual(transports.order, [POLLING, WEB_SOCKETS, EVENTS]);
});

test("an order that was read does not change", () => {
  const transports = open();
  const { order } = transports;
  transports.failed(WEB_SOCKETS);
  assert.deepEqual(order, [WEB_SOCKETS, EVENTS, POLLING]);
});

test("another network begins anew", () => {
  const transports = open();
  transports.failed(WEB_SOCKETS);
  transports.worked(POLLING);
  transports.reset();
  assert.deepEqual(transports.order, [WEB_SOCKETS, EVENTS, POLLING]);
});

test("the next page of the day begins with the transport that worked", () => {
  const stored = new Map();
  open(stored).worked(EVENTS);
  assert.deepEqual(open(stored, MORNING + 15 * HOUR).order, [EVENTS, WEB_SOCKETS, POLLING]);
  assert.deepEqual(open(stored, MORNING + 16 * HOUR).order, [WEB_SOCKETS, EVENTS, POLLING]);
});

test("a browser whose WebSockets work stores nothing", () => {
  const stored = new Map();
  open(stored).worked(WEB_SOCKETS);
  assert.equal(stored.size, 0);
  open(stored).worked(POLLING);
  assert.deepEqual([...stored], [["transport", "LongPolling 2026-11-23"]]);
  open(stored).worked(WEB_SOCKETS);
  assert.equal(stored.size, 0);
});

const BROKEN = {
  "is forbidden": forbidden,
  "is missing": () => null,
  "is full": () => ({ getItem: () => null, setItem: forbidden, removeItem: forbidden }),
  "has an unknown transport": () => ({ ...storageOf(new Map()), getItem: () => "Pigeons 2026-11-23" }),
};

for (const [reason, storage] of Object.entries(BROKEN)) {
  test(`the order is that of the page if the storage ${reason}`, () => {
    const transports = new Transports(storage, () => MORNING);
    assert.deepEqual(transports.order, [WEB_SOCKETS, EVENTS, POLLING]);
    transports.worked(EVENTS);
    assert.deepEqual(transports.order, [EVENTS, WEB_SOCKETS, POLLING]);
  });
}
