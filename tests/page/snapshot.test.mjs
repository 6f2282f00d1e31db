import assert from "node:assert/strict";
import { test } from "node:test";

import { fromJson } from "../../content/scripts/history.js";
import { merge, shares } from "../../content/scripts/snapshot.js";

const NOW = Date.parse("2026-11-23T11:35:20Z");

/** The snapshot of a live update. */
const snapshot = (total, byOS, byBrowser, more) => ({
  total,
  counts: { byOS, byBrowser, ...more },
  history: null,
  here: null,
});

const AT_3 = snapshot(3, { Windows: 2, macOS: 1 }, { Chrome: 3 }, { byDevice: { Desktop: 3 } });
const AT_4 = snapshot(4, { Windows: 3, macOS: 1 }, { Chrome: 4 }, { byDevice: { Desktop: 4 } });

/** A snapshot of the app's statistics, with all visits in the newest two minutes. */
function read(total, counts, now = NOW) {
  const series = { start: "2026-11-23T11:34:00Z", counts };
  return { ...snapshot(total, {}, {}), history: fromJson({ minutes: series, hours: series, days: series }, now) };
}

const minutes = ({ history }) => history.series.minutes.counts;

test("the first snapshot is accepted", () => {
  assert.equal(merge(null, AT_3), AT_3);
});

test("the highest total wins in any order of arrival", () => {
  assert.deepEqual(merge(AT_3, AT_4), AT_4);
  assert.deepEqual(merge(AT_4, AT_3), AT_4);
});

test("a snapshot with the same total changes nothing", () => {
  assert.deepEqual(merge(AT_3, { ...AT_3, counts: {} }), AT_3);
});

test("the number of open pages is the one that arrived last", () => {
  const [few, many] = [{ now: 1 }, { now: 9 }];
  assert.equal(merge({ ...AT_4, here: many }, { ...AT_3, here: few }).here, few);
  assert.equal(merge({ ...AT_3, here: few }, { ...AT_4, here: many }).here, many);
  assert.equal(merge({ ...AT_3, here: few }, AT_4).here, null, "the app does not count them any more");
});

test("an update without devices keeps the known ones", () => {
  const update = snapshot(5, { Windows: 5 }, { Chrome: 5 });
  const updated = merge(AT_4, update);
  assert.equal(updated.total, 5);
  assert.deepEqual(updated.counts, { byOS: { Windows: 5 }, byBrowser: { Chrome: 5 }, byDevice: { Desktop: 4 } });
  assert.deepEqual(merge(update, AT_4), updated, "in whichever order they arrive");
  assert.deepEqual(merge(updated, snapshot(6, {}, {}, { byDevice: { Desktop: 5, Phone: 1 } })).counts.byDevice, {
    Desktop: 5,
    Phone: 1,
  });
});

test("a snapshot of an empty table is valid", () => {
  const empty = snapshot(0, {}, {});
  assert.equal(merge(null, empty), empty);
});

test("an update adds its new visits to the newest interval", () => {
  const updated = merge(read(5, [2, 3]), snapshot(9, {}, {}), NOW + 1_000);
  assert.deepEqual([updated.total, minutes(updated)], [9, [2, 7]]);
});

test("an older update adds nothing", () => {
  const updated = merge(read(5, [2, 3]), snapshot(4, {}, {}), NOW + 1_000);
  assert.deepEqual([updated.total, minutes(updated)], [5, [2, 3]]);
});

test("a read corrects the intervals of earlier updates", () => {
  const guessed = merge(read(5, [2, 3]), snapshot(9, {}, {}), NOW + 1_000);
  const corrected = merge(guessed, read(9, [5, 4]), NOW + 2_000);
  assert.deepEqual([corrected.total, minutes(corrected)], [9, [5, 4]]);
});

test("visits that an older read lacks are added to it", () => {
  const updated = merge(read(5, [2, 3]), snapshot(9, {}, {}), NOW + 1_000);
  const merged = merge(updated, read(7, [3, 4]), NOW + 2_000);
  assert.deepEqual([merged.total, minutes(merged)], [9, [3, 6]]);
});

test("the history sums up to the total in any order of arrival", () => {
  const news = [read(5, [2, 3]), snapshot(9, {}, {}), read(7, [3, 4]), snapshot(8, {}, {}), read(10, [4, 6])];
  for (let start = 0; start < news.length; start++) {
    const order = [...news.slice(start), ...news.slice(0, start)];
    const merged = order.reduce((current, next) => merge(current, next, NOW + 3_000), null);
    assert.equal(merged.total, 10);
    assert.equal(minutes(merged).reduce((sum, count) => sum + count), 10, `beginning with news ${start}`);
  }
});

test("the history advances with time, without updates", () => {
  const current = read(5, [2, 3]);
  assert.deepEqual(minutes(merge(current, current, NOW + 60_000)), [3, 0]);
});

test("shares are sorted by count, and equal counts by label", () => {
  const labels = shares({ Linux: 1, iOS: 5, Android: 1, Windows: 9 }).map(({ label }) => label);
  assert.deepEqual(labels, ["Windows", "iOS", "Android", "Linux"]);
});

test("shares are fractions of the sum of all counts", () => {
  assert.deepEqual(shares({ Windows: 3, macOS: 1 }), [
    { label: "Windows", count: 3, ratio: 0.75 },
    { label: "macOS", count: 1, ratio: 0.25 },
  ]);
});

test("without counts there are no shares", () => {
  assert.deepEqual(shares({}), []);
  assert.deepEqual(shares({ Windows: 0 }), []);
});
