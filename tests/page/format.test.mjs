import assert from "node:assert/strict";
import { test } from "node:test";

import { between, smallestOfSameLength } from "../../content/scripts/counter.js";
import {
  formatAge,
  formatCaption,
  formatCheckIns,
  formatCount,
  formatName,
  formatNews,
  formatShare,
  formatTime,
} from "../../content/scripts/format.js";

test("counts have the thousands separators of the locale", () => {
  assert.equal(formatCount(1234567, "en-US"), "1,234,567");
  assert.equal(formatCount(1234567, "de-DE"), "1.234.567");
  assert.equal(formatCount(0, "en-US"), "0");
});

const CAPTIONS = [
  [0, {}, "check-ins: be the first"],
  [1, { New: 1 }, "check-in, the very first"],
  [2, { New: 2 }, "check-ins by 2 people"],
  [2, { New: 1, Returning: 1 }, "check-ins by 1 person"],
  [1_500, { New: 1_234, Returning: 266 }, "check-ins by 1,234 people"],
  [10, { New: 4, Returning: 1, Other: 5 }, "check-ins by at least 4 people"],
  [10, { New: 1, Other: 9 }, "check-ins by at least 1 person"],
  [10, { Other: 10 }, "check-ins and counting"],
  [10, { Returning: 10 }, "check-ins and counting"],
  [10, undefined, "check-ins and counting"],
];

for (const [total, visitors, caption] of CAPTIONS) {
  test(`the caption of ${total} by ${JSON.stringify(visitors)} is "${caption}"`, () => {
    assert.equal(formatCaption(total, visitors, "en-US"), caption);
  });
}

test("shares are whole percentages", () => {
  assert.equal(formatShare(0, "en-US"), "0%");
  assert.equal(formatShare(0.01, "en-US"), "1%");
  assert.equal(formatShare(0.504, "en-US"), "50%");
  assert.equal(formatShare(1, "en-US"), "100%");
});

test("shares near 0 % and 100 % are not rounded to them", () => {
  assert.equal(formatShare(0.0001, "en-US"), "<1%");
  assert.equal(formatShare(0.9999, "en-US"), ">99%");
});

test("the count-up is monotonic and ends at the exact value", () => {
  const steps = Array.from({ length: 101 }, (_, percent) => between(1_000, 1_234, percent / 100));
  assert.equal(steps[0], 1_000);
  assert.equal(steps[100], 1_234);
  assert.deepEqual(steps, steps.toSorted((a, b) => a - b));
});

test("the first count-up keeps its number of digits", () => {
  const begin = [0, 7, 10, 99, 18_447].map(smallestOfSameLength);
  assert.deepEqual(begin, [0, 0, 10, 10, 10_000]);
});

test("one check-in is singular", () => {
  assert.deepEqual([0, 1, 1_234].map((n) => formatCheckIns(n, "en-US")), ["0 check-ins", "1 check-in", "1,234 check-ins"]);
});

const [SECOND, MINUTE, HOUR] = [1_000, 60_000, 3_600_000]; // ms

test("an age is in minutes, hours or days", () => {
  const ages = [0, 59 * SECOND, MINUTE, 59 * MINUTE, HOUR, 47.9 * HOUR, 48 * HOUR].map(formatAge);
  const texts = ["just now", "just now", "1 minute ago", "59 minutes ago", "1 hour ago", "47 hours ago", "2 days ago"];
  assert.deepEqual(ages, texts);
});

const NEWS = [
  [{}, "last check-in 3 minutes ago"],
  [{ total: 0, visitAge: null }, "no check-in yet"],
  [{ visitAge: null }, ""],
  [{ isLive: false }, "last check-in 3 minutes ago"],
  [{ isLive: false, updateAge: 2 * MINUTE }, "updated 2 minutes ago"],
  [{ isLive: false, updateAge: 2 * MINUTE, total: 0 }, "updated 2 minutes ago"],
  [{ updateAge: 2 * HOUR }, "last check-in 3 minutes ago"],
];

for (const [changes, text] of NEWS) {
  test(`the text beside the state is "${text}" with ${JSON.stringify(changes)}`, () => {
    assert.equal(formatNews({ total: 7, visitAge: 3 * MINUTE, updateAge: 0, isLive: true, ...changes }), text);
  });
}

test("a day is a day in UTC in every time zone", () => {
  assert.equal(formatTime(Date.parse("2026-11-23T00:00:00Z"), "days", "en-US"), "Nov 23");
});

test("countries and languages have the names of the visitor's language", () => {
  assert.equal(formatName("DE", "region", "en-US"), "Germany");
  assert.equal(formatName("DE", "region", "fr-FR"), "Allemagne");
  assert.equal(formatName("ja", "language", "de-DE"), "Japanisch");
});

test("a code without a name is shown itself", () => {
  assert.equal(formatName("XX", "region", "en-US"), "XX");
  assert.equal(formatName("not a code", "region", "en-US"), "not a code");
});

test("a browser without names shows the codes", (t) => {
  const { DisplayNames } = Intl;
  t.after(() => Object.assign(Intl, { DisplayNames }));
  delete Intl.DisplayNames;
  assert.equal(formatName("DE", "region", "en-US"), "DE");
});
