import assert from "node:assert/strict";
import { test } from "node:test";

import { advance, fromJson, INTERVAL, shown } from "../../content/scripts/history.js";

const NOW = Date.parse("2026-11-23T11:35:20Z");

const series = (start, kept, newest) => ({ start, counts: [...Array(kept - newest.length).fill(0), ...newest] });

/** A history as the app returns it, with these counts in its newest intervals and zeros before. */
function history({ minutes = [], hours = [], days = [] } = {}) {
  return fromJson(
    {
      minutes: series("2026-11-23T10:36:00Z", 60, minutes),
      hours: series("2026-11-21T12:00:00Z", 48, hours),
      days: series("2025-11-23T00:00:00Z", 366, days),
    },
    NOW,
  );
}

const newest = (of, range, count) => of.series[range].counts.slice(-count);
const beginOfNewest = (of, range) => of.series[range].start + (of.series[range].counts.length - 1) * INTERVAL[range];

test("visits are added to the newest interval of each series", () => {
  const later = advance(history({ minutes: [4, 1], hours: [5], days: [5] }), 2, NOW + 1_000);
  assert.deepEqual(newest(later, "minutes", 2), [4, 3]);
  assert.deepEqual(newest(later, "hours", 1), [7]);
  assert.deepEqual(newest(later, "days", 1), [7]);
});

test("elapsed time appends intervals and drops the oldest", () => {
  const later = advance(history({ minutes: [4, 1], hours: [5] }), 2, NOW + 2 * INTERVAL.minutes);
  assert.deepEqual(newest(later, "minutes", 4), [4, 1, 0, 2]);
  assert.deepEqual(newest(later, "hours", 1), [7]);
  assert.equal(later.series.minutes.counts.length, 60);
  assert.equal(beginOfNewest(later, "minutes"), Date.parse("2026-11-23T11:37:00Z"));
  assert.equal(beginOfNewest(later, "hours"), Date.parse("2026-11-23T11:00:00Z"));
});

test("after days of sleep the minutes are zero and the days remain", () => {
  const later = advance(history({ minutes: [4], days: [9] }), 0, NOW + 3 * INTERVAL.days);
  assert.equal(Math.max(...later.series.minutes.counts), 0);
  assert.deepEqual(newest(later, "days", 4), [9, 0, 0, 0]);
});

test("a clock that is set back changes nothing", () => {
  const before = history({ minutes: [4, 1] });
  const later = advance(before, 0, NOW - INTERVAL.hours);
  assert.deepEqual(later.series, before.series);
});

test("a device with a wrong clock shows the app's times", () => {
  const wrong = 5 * INTERVAL.days;
  const received = { ...history({ minutes: [4, 1] }), at: NOW + wrong };
  const later = advance(received, 1, NOW + wrong + INTERVAL.minutes);
  assert.deepEqual(newest(later, "minutes", 3), [4, 1, 1]);
  assert.equal(beginOfNewest(later, "minutes"), Date.parse("2026-11-23T11:36:00Z"));
});

test("many small advances equal one large advance", () => {
  let inSteps = history({ minutes: [4, 1] });
  for (let second = 1; second <= 300; second++) inSteps = advance(inSteps, 0, NOW + second * 1_000);
  assert.deepEqual(inSteps, advance(history({ minutes: [4, 1] }), 0, NOW + 300_000));
});

test("the year begins with the first visit but has 30 days at least", () => {
  assert.equal(shown(history(), "days").counts.length, 30);
  assert.equal(shown(history({ days: [7, 0, 3] }), "days").counts.length, 30);
  const long = shown(history({ days: [7, ...Array(99).fill(0)] }), "days");
  assert.equal(long.counts.length, 100);
  assert.equal(long.counts[0], 7);
  assert.equal(long.start, Date.parse("2026-11-23T00:00:00Z") - 99 * INTERVAL.days);
});

test("the hour and the two days are shown in full", () => {
  assert.equal(shown(history(), "minutes").counts.length, 60);
  assert.equal(shown(history(), "hours").counts.length, 48);
});
