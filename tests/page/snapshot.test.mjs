import assert from "node:assert/strict";
import { test } from "node:test";

import { fromStats, newer, shares, snapshot } from "../../content/scripts/snapshot.js";

const AT_3 = snapshot(3, { Windows: 2, macOS: 1 }, { Chrome: 3 });
const AT_4 = snapshot(4, { Windows: 3, macOS: 1 }, { Chrome: 4 });

test("the first snapshot is taken", () => {
  assert.equal(newer(null, AT_3), AT_3);
});

test("the highest total wins, in whichever order the snapshots arrive", () => {
  assert.equal(newer(AT_3, AT_4), AT_4);
  assert.equal(newer(AT_4, AT_3), AT_4);
});

test("a snapshot with the same total changes nothing", () => {
  assert.equal(newer(AT_3, { ...AT_3 }), AT_3);
});

test("a snapshot of an empty table is a snapshot", () => {
  const empty = snapshot(0, {}, {});
  assert.equal(newer(null, empty), empty);
});

test("the statistics of an answer become a snapshot, and members that are not known yet are left out", () => {
  const stats = { totalNumber: 3, byOS: { Windows: 2, macOS: 1 }, byBrowser: { Chrome: 3 }, history: [1, 2] };
  assert.deepEqual(fromStats(stats), AT_3);
});

test("statistics without a whole total are refused", () => {
  for (const totalNumber of [undefined, null, "3", 1.5, NaN]) {
    assert.throws(() => fromStats({ totalNumber, byOS: {}, byBrowser: {} }), TypeError);
  }
});

test("shares are sorted by count, and equal counts by label", () => {
  const labels = shares({ Linux: 1, iOS: 5, Android: 1, Windows: 9 }).map(({ label }) => label);
  assert.deepEqual(labels, ["Windows", "iOS", "Android", "Linux"]);
});

test("shares are parts of the sum of all counts", () => {
  assert.deepEqual(shares({ Windows: 3, macOS: 1 }), [
    { label: "Windows", count: 3, ratio: 0.75 },
    { label: "macOS", count: 1, ratio: 0.25 },
  ]);
});

test("nothing counted has no shares", () => {
  assert.deepEqual(shares({}), []);
  assert.deepEqual(shares({ Windows: 0 }), []);
});
