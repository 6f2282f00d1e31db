import assert from "node:assert/strict";
import { test } from "node:test";

import { createAnnouncer } from "../../content/scripts/announcer.js";
import { Queue } from "./queue.mjs";

/** An announcer whose pauses the test ends by hand. */
function setUp() {
  const said = [];
  const pauses = new Queue();
  const announce = createAnnouncer({
    speak: (text) => said.push(text),
    wait: (ms) => new Promise((end) => pauses.push({ ms, end })),
  });
  return { announce, said, pauses };
}

test("the first total is said at once", () => {
  const { announce, said } = setUp();
  announce(1);
  assert.deepEqual(said, ["1 check-in."]);
});

test("however many changes there are in half a minute, they are said once, as one", async () => {
  const { announce, said, pauses } = setUp();
  announce(1_000);
  const { ms, end } = await pauses.next();
  assert.equal(ms, 30_000);
  for (const total of [1_001, 1_002, 1_234]) announce(total);
  assert.deepEqual(said, ["1,000 check-ins."]);
  end();
  await pauses.next();
  assert.deepEqual(said, ["1,000 check-ins.", "234 more: 1,234 check-ins."]);
});

test("what does not change is not said again", async () => {
  const { announce, said, pauses } = setUp();
  announce(5);
  (await pauses.next()).end();
  await new Promise(setImmediate);
  announce(5);
  assert.deepEqual(said, ["5 check-ins."]);
});

test("a change after a long silence is said at once", async () => {
  const { announce, said, pauses } = setUp();
  announce(5);
  (await pauses.next()).end();
  await new Promise(setImmediate);
  announce(6);
  assert.deepEqual(said, ["5 check-ins.", "1 more: 6 check-ins."]);
});
