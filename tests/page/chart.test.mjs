import assert from "node:assert/strict";
import { test } from "node:test";

import { columns } from "../../content/scripts/chart.js";

/** Left, top and width of each column. */
const parse = (path) => [...path.matchAll(/M([\d.]+) 100V([\d.]+)h([\d.]+)V100z/g)].map((m) => m.slice(1).map(Number));

test("columns stand side by side, in proportion to the peak", () => {
  assert.deepEqual(parse(columns([1, 4, 2], 4, 0)), [
    [0, 75, 1],
    [1, 0, 1],
    [2, 50, 1],
  ]);
});

test("a column has half of a gap on each side", () => {
  assert.deepEqual(parse(columns([4], 4, 0.5)), [[0.25, 0, 0.5]]);
});

test("zero has no column, and one visit is visible beside thousands", () => {
  assert.deepEqual(parse(columns([0, 1, 9_000], 9_000, 0)), [
    [1, 98, 1],
    [2, 0, 1],
  ]);
  assert.equal(columns([0, 0], 0, 0), "");
});
