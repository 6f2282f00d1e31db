import assert from "node:assert/strict";
import { test } from "node:test";

import { createWakeLock } from "../../content/scripts/wake-lock.js";

/** Resolves when all pending promises have run. */
const settled = () => new Promise(setImmediate);

/** A browser; `locks` are the locks that it has given out. */
function open({ isRefused = false } = {}) {
  const browser = { locks: [], requests: 0, document: Object.assign(new EventTarget(), { visibilityState: "visible" }) };
  browser.show = async (visibilityState) => {
    browser.document.visibilityState = visibilityState;
    if (visibilityState === "hidden") for (const lock of browser.locks) lock.released = true;
    browser.document.dispatchEvent(new Event("visibilitychange"));
    await settled();
  };
  const wakeLock = {
    async request(type) {
      assert.equal(type, "screen");
      browser.requests++;
      if (isRefused) throw new DOMException("The battery is low.", "NotAllowedError");
      const lock = { released: false, release: async () => void (lock.released = true) };
      browser.locks.push(lock);
      return lock;
    },
  };
  const keepAwake = createWakeLock({ wakeLock }, browser.document);
  browser.keepAwake = async (wanted) => {
    keepAwake(wanted);
    await settled();
  };
  return browser;
}

const held = ({ locks }) => locks.filter(({ released }) => !released).length;

test("the screen stays awake for as long as it is wanted", async () => {
  const browser = open();
  assert.equal(browser.requests, 0);
  await browser.keepAwake(true);
  assert.equal(held(browser), 1);
  await browser.keepAwake(false);
  assert.equal(held(browser), 0);
});

test("the lock is taken again when the page is visible again", async () => {
  const browser = open();
  await browser.keepAwake(true);
  await browser.show("hidden");
  assert.equal(held(browser), 0);
  await browser.show("visible");
  assert.deepEqual([held(browser), browser.requests], [1, 2]);
});

test("a hidden page requests its lock when it is shown", async () => {
  const browser = open();
  await browser.show("hidden");
  await browser.keepAwake(true);
  assert.equal(browser.requests, 0);
  await browser.show("visible");
  assert.equal(held(browser), 1);
});

test("a page that is not presented requests no lock", async () => {
  const browser = open();
  await browser.show("hidden");
  await browser.show("visible");
  assert.equal(browser.requests, 0);
});

test("there is one lock at most, and none is left behind", async () => {
  const browser = open();
  for (const wanted of [true, false, true, true]) void browser.keepAwake(wanted);
  void browser.show("visible");
  await settled();
  await settled();
  assert.equal(held(browser), 1);
  await browser.keepAwake(false);
  assert.equal(held(browser), 0);
});

test("a browser that refuses the lock is asked again when the page is shown", async () => {
  const browser = open({ isRefused: true });
  await browser.keepAwake(true);
  await browser.show("visible");
  assert.equal(browser.requests, 2);
});

for (const isAllowed of [true, false]) {
  test(`a frame that ${isAllowed ? "has" : "lacks"} the permission makes ${Number(isAllowed)} requests`, async () => {
    const browser = open();
    browser.document.featurePolicy = { allowsFeature: (name) => isAllowed || name !== "screen-wake-lock" };
    await browser.keepAwake(true);
    assert.equal(browser.requests, Number(isAllowed));
  });
}

test("a browser without locks reports no error", async () => {
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  createWakeLock({}, document)(true);
  await settled();
  document.dispatchEvent(new Event("visibilitychange"));
  await settled();
});
