import assert from "node:assert/strict";
import { test } from "node:test";

import { createCatchUp } from "../../content/scripts/catch-up.js";
import { Queue } from "./queue.mjs";

/** A catch-up; the test ends its reads and waits. */
function setUp() {
  const readings = new Queue();
  const waits = new Queue();
  const snapshots = [];
  const errors = [];
  const catchUp = createCatchUp({
    fetchStats: () => new Promise((resolve, reject) => readings.push({ resolve, reject })),
    onSnapshot: (snapshot) => snapshots.push(snapshot),
    onError: (error) => errors.push(error.message),
    wait: (ms) => new Promise((end) => waits.push({ ms, end })),
    delay: (failures) => failures,
  });
  return { catchUp, readings, waits, snapshots, errors };
}

test("one call reads once", async () => {
  const { catchUp, readings, snapshots } = setUp();
  const done = catchUp();
  (await readings.next()).resolve("A");
  await done;
  assert.deepEqual(snapshots, ["A"]);
});

test("a failed read is retried with backoff until it succeeds", async () => {
  const { catchUp, readings, waits, snapshots, errors } = setUp();
  const done = catchUp();
  for (const failures of [1, 2]) {
    (await readings.next()).reject(new Error("away"));
    const { ms, end } = await waits.next();
    assert.equal(ms, failures);
    end();
  }
  (await readings.next()).resolve("A");
  await done;
  assert.deepEqual(snapshots, ["A"]);
  assert.deepEqual(errors, ["away", "away"]);
});

test("calls during a read lead to one more read", async () => {
  const { catchUp, readings, snapshots } = setUp();
  const done = catchUp();
  const first = await readings.next();
  await catchUp();
  await catchUp();
  first.resolve("A");
  (await readings.next()).resolve("B");
  await done;
  assert.deepEqual(snapshots, ["A", "B"]);
});

test("a call during a wait does not add a request", async () => {
  const { catchUp, readings, waits, snapshots } = setUp();
  const done = catchUp();
  (await readings.next()).reject(new Error("away"));
  const { end } = await waits.next();
  await catchUp();
  end();
  (await readings.next()).resolve("A");
  await done;
  assert.deepEqual(snapshots, ["A"]);
});
