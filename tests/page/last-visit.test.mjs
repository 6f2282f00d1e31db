import assert from "node:assert/strict";
import { test } from "node:test";

import { advance, fromJson } from "../../content/scripts/history.js";
import { LastVisit } from "../../content/scripts/last-visit.js";

const NOW = Date.parse("2026-11-23T11:35:20Z");
const [SECOND, MINUTE, HOUR, DAY] = [1_000, 60_000, 3_600_000, 86_400_000]; // ms

/** A history as the app sends it, with one visit so many intervals ago in each series; null for none. */
function historyOf({ minutes = null, hours = null, days = null }, now = NOW) {
  const series = (length, ago) => {
    const counts = Array(length).fill(0);
    if (ago !== null) counts[length - 1 - ago] = 1;
    return { start: "2026-11-20T00:00:00Z", counts };
  };
  return fromJson({ minutes: series(60, minutes), hours: series(48, hours), days: series(366, days) }, now);
}

const HISTORIES = [
  [{ minutes: 0, hours: 0, days: 0 }, 0],
  [{ minutes: 3, hours: 0, days: 0 }, 3 * MINUTE],
  [{ minutes: null, hours: 2, days: 0 }, 2 * HOUR],
  [{ minutes: null, hours: null, days: 5 }, 5 * DAY],
  [{}, null],
];

for (const [ago, age] of HISTORIES) {
  test(`a page that is opened takes the age out of the history: ${JSON.stringify(ago)}`, () => {
    assert.equal(new LastVisit().age(historyOf(ago), NOW), age);
  });
}

test("without a history the age is unknown", () => assert.equal(new LastVisit().age(null, NOW), null));

test("the age of a visit that happens is exact, with a history and without", () => {
  const visit = new LastVisit();
  visit.happened(NOW);
  const history = historyOf({ minutes: 0 });
  for (let age = 0; age < 30 * MINUTE; age += 7 * SECOND) {
    assert.equal(visit.age(advance(history, 0, NOW + age), NOW + age), age);
    assert.equal(visit.age(null, NOW + age), age);
  }
});

test("the age only grows until the next visit", () => {
  const visit = new LastVisit();
  const history = historyOf({ minutes: 2, hours: 0, days: 0 });
  let last = 0;
  for (let passed = 0; passed < 50 * MINUTE; passed += 7 * SECOND) {
    const age = visit.age(advance(history, 0, NOW + passed), NOW + passed);
    assert.equal(age, 2 * MINUTE + passed);
    assert.ok(age >= last);
    last = age;
  }
});

test("a visit that only a reading shows is as old as in the history", () => {
  const visit = new LastVisit();
  visit.happened(NOW);
  const later = NOW + 8 * HOUR; // the page slept
  assert.equal(visit.age(historyOf({ minutes: 4 }, later), later), 4 * MINUTE);
});

for (const [clock, offset] of [
  ["behind", -5 * HOUR],
  ["ahead", 5 * HOUR],
]) {
  test(`a clock that is ${clock} of the app's does no harm`, () => {
    const visit = new LastVisit();
    const now = NOW + offset;
    assert.equal(visit.age(historyOf({ minutes: 3 }, now), now), 3 * MINUTE);
    visit.happened(now);
    assert.equal(visit.age(historyOf({ minutes: 0 }, now), now + 10 * SECOND), 10 * SECOND);
  });

  test(`a clock that is set ${clock} is corrected by the next reading`, () => {
    const visit = new LastVisit();
    visit.happened(NOW);
    const now = NOW + offset;
    assert.equal(visit.age(historyOf({ minutes: 1 }, now), now), MINUTE);
  });
}

test("an age is never negative", () => {
  const visit = new LastVisit();
  visit.happened(NOW);
  assert.equal(visit.age(null, NOW - MINUTE), 0);
});
