import assert from "node:assert/strict";
import { test } from "node:test";

import { Presence } from "../../content/scripts/presence.js";

/** A page that may be hidden; it records the slots that its requests have sent and those that it has left. */
function open() {
  const page = { isShown: true, sent: [], left: [], answers: [] };
  const presence = new Presence({ isShown: () => page.isShown, sendLeave: (slot) => page.left.push(slot) });
  page.leave = () => presence.leave();
  page.close = () => presence.close();
  page.hide = () => {
    page.isShown = false;
    presence.leave();
  };
  page.show = () => (page.isShown = true);
  /** Begins a request; the result answers it with a slot, or with none. */
  page.begin = () => {
    const { promise, resolve, reject } = Promise.withResolvers();
    const done = presence.report(
      (slot) => (page.sent.push(slot), promise),
      (here) => here,
    );
    return {
      answer: async (slot) => (resolve({ now: 1, seconds: 300, ...(slot && { slot }) }), await done),
      answerWithout: async () => (resolve(null), await done),
      fail: async () => (reject(new Error("away")), await assert.rejects(done)),
    };
  };
  return page;
}

test("a page sends the slot of the last response", async () => {
  const page = open();
  await page.begin().answer("a");
  await page.begin().answer("b");
  await page.begin().answer("c");
  assert.deepEqual(page.sent, ["new", "a", "b"]);
});

test("a response without a slot takes the page out of its slot", async () => {
  const page = open();
  await page.begin().answer("a");
  await page.begin().answer();
  await page.begin().answerWithout();
  page.hide();
  assert.deepEqual([page.sent, page.left], [["new", "a", "new"], []]);
});

test("a request that fails leaves the page in its slot", async () => {
  const page = open();
  await page.begin().answer("a");
  await page.begin().fail();
  await page.begin().answer("b");
  assert.deepEqual(page.sent, ["new", "a", "a"]);
});

test("one request at a time reports the page", async () => {
  const page = open();
  const signIn = page.begin();
  await page.begin().answer();
  await signIn.answer("a");
  await page.begin().answer("b");
  assert.deepEqual(page.sent, ["new", null, "a"]);
});

test("a page that is hidden is left once, and is new when it is shown again", async () => {
  const page = open();
  await page.begin().answer("a");
  page.hide();
  page.leave();
  await page.begin().answer();
  page.show();
  await page.begin().answer("b");
  assert.deepEqual([page.sent, page.left], [["new", null, "new"], ["a"]]);
});

test("a page that was never reported is not left", async () => {
  const page = open();
  page.hide();
  await page.begin().answer();
  assert.deepEqual([page.sent, page.left], [[null], []]);
});

test("a page that is hidden during a request leaves the slot of its response", async () => {
  const page = open();
  await page.begin().answer("a");
  const request = page.begin();
  page.hide();
  assert.deepEqual(page.left, []);
  await request.answer("b");
  assert.deepEqual(page.left, ["b"]);
});

test("a page that is hidden during a request that fails leaves its slot", async () => {
  const page = open();
  await page.begin().answer("a");
  const request = page.begin();
  page.hide();
  await request.fail();
  assert.deepEqual(page.left, ["a"]);
});

test("a page that is closed leaves its slot", async () => {
  const page = open();
  await page.begin().answer("a");
  page.close();
  assert.deepEqual(page.left, ["a"]);
});

test("a page that is closed during a request leaves the present slot, without waiting for the answer", async () => {
  const page = open();
  page.begin();
  page.close();
  assert.deepEqual(page.left, ["now"]);
});

test("a page that comes back after it was closed during a request is in no slot", async () => {
  const page = open();
  const request = page.begin();
  page.close();
  await request.answer("a");
  await page.begin().answer("b");
  await page.begin().answer("c");
  assert.deepEqual([page.sent, page.left], [["new", "new", "b"], ["now"]]);
});

test("a page that is hidden and shown during a request stays", async () => {
  const page = open();
  const request = page.begin();
  page.hide();
  page.show();
  await request.answer("a");
  await page.begin().answer("b");
  assert.deepEqual([page.sent, page.left], [["new", "a"], []]);
});
