import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf, watchStillness } from "../../content/scripts/presentation.js";

const PLAIN = "https://x.example/";

test("?present in the URL marks presentation mode", () => {
  assert.equal(addressOf(PLAIN, true), `${PLAIN}?present`);
  assert.equal(addressOf(`${PLAIN}?present`, true), `${PLAIN}?present`);
  assert.equal(addressOf(`${PLAIN}?present`, false), PLAIN);
  assert.equal(addressOf(`${PLAIN}?present=`, false), PLAIN);
});

test("all other parts of the URL stay", () => {
  const address = `${PLAIN}?campaign=a%20poster&presents=1#top`;
  const presented = `${PLAIN}?present&campaign=a%20poster&presents=1#top`;
  assert.equal(addressOf(address, true), presented);
  assert.equal(addressOf(presented, false), address);
});

const STILL = 3_000; // ms

test("the pointer is still after three seconds without a movement", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const changes = [];
  const onMovement = watchStillness((still) => changes.at(-1) !== still && changes.push(still));
  onMovement();
  t.mock.timers.tick(STILL - 1);
  onMovement("10 20");
  t.mock.timers.tick(STILL - 1);
  assert.deepEqual(changes, [false]);
  t.mock.timers.tick(1);
  assert.deepEqual(changes, [false, true]);
  onMovement("11 20");
  assert.deepEqual(changes, [false, true, false]);
  t.mock.timers.tick(STILL);
  onMovement();
  assert.deepEqual(changes, [false, true, false, true, false]);
});

test("an event at the same position is no movement", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let isStill = false;
  const onMovement = watchStillness((still) => (isStill = still));
  onMovement("10 20");
  t.mock.timers.tick(STILL - 1);
  onMovement("10 20");
  t.mock.timers.tick(1);
  assert.equal(isStill, true);
  onMovement("10 20");
  assert.equal(isStill, true);
});
