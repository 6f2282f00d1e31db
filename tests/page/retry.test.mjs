import assert from "node:assert/strict";
import { test } from "node:test";

import { backoff, sleep } from "../../content/scripts/retry.js";

const longest = (failures) => backoff(failures, () => 0);

test("delays double from one second up to thirty", () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(longest), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test("jitter shortens a delay by at most a half", () => {
  for (const failures of [1, 3, 10]) {
    assert.equal(backoff(failures, () => 0.5), longest(failures) * 0.75);
    assert.equal(backoff(failures, () => 1), longest(failures) / 2);
  }
});

test("delays stay bounded after a million failures", () => {
  assert.equal(longest(1_000_000), 30_000);
});

test("a sleep ends when its time is over", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const slept = sleep(30_000);
  t.mock.timers.tick(30_000);
  assert.equal(await slept, false);
});

test("a wake event cuts a sleep short", async () => {
  const alarm = new EventTarget();
  const slept = sleep(1_000_000, alarm);
  alarm.dispatchEvent(new Event("wake"));
  assert.equal(await slept, true);
});

test("an earlier wake event does not shorten a later sleep", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const alarm = new EventTarget();
  alarm.dispatchEvent(new Event("wake"));
  const slept = sleep(1_000, alarm);
  t.mock.timers.tick(1_000);
  assert.equal(await slept, false);
});
