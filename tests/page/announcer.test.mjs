import assert from "node:assert/strict";
import { test } from "node:test";

import { createAnnouncer } from "../../content/scripts/announcer.js";
import { Queue } from "./queue.mjs";

/** An announcer; the test ends its pauses. */
function setUp() {
  const spoken = [];
  const pauses = new Queue();
  const announce = createAnnouncer({
    speak: (text) => spoken.push(text),
    wait: (ms) => new Promise((end) => pauses.push({ ms, end })),
  });
  return { announce, spoken, pauses };
}

test("the first total is announced at once", () => {
  const { announce, spoken } = setUp();
  announce(1);
  assert.deepEqual(spoken, ["1 check-in."]);
});

test("all changes within 30 s are announced once, as a sum", async () => {
  const { announce, spoken, pauses } = setUp();
  announce(1_000);
  const { ms, end } = await pauses.next();
  assert.equal(ms, 30_000);
  for (const total of [1_001, 1_002, 1_234]) announce(total);
  assert.deepEqual(spoken, ["1,000 check-ins."]);
  end();
  await pauses.next();
  assert.deepEqual(spoken, ["1,000 check-ins.", "234 more: 1,234 check-ins."]);
});

test("an unchanged total is not announced again", async () => {
  const { announce, spoken, pauses } = setUp();
  announce(5);
  (await pauses.next()).end();
  await new Promise(setImmediate);
  announce(5);
  assert.deepEqual(spoken, ["5 check-ins."]);
});

test("a change after a long pause is announced at once", async () => {
  const { announce, spoken, pauses } = setUp();
  announce(5);
  (await pauses.next()).end();
  await new Promise(setImmediate);
  announce(6);
  assert.deepEqual(spoken, ["5 check-ins.", "1 more: 6 check-ins."]);
});
