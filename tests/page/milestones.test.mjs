import assert from "node:assert/strict";
import { test } from "node:test";

import { milestoneReached } from "../../content/scripts/milestones.js";

const CASES = [
  [99, 100, 100],
  [97, 112, 100],
  [99, 1_000, 1_000],
  [0, 123_456, 100_000],
  [9_999_999, 10_000_001, 10_000_000],
  [100, 101, null],
  [100, 100, null],
  [112, 97, null],
  [9, 10, null],
  [0, 0, null],
  [499, 500, null],
];

for (const [before, after, milestone] of CASES) {
  test(`a total that was ${before} and is ${after} has reached ${milestone ?? "no milestone"}`, () => {
    assert.equal(milestoneReached(before, after), milestone);
  });
}
