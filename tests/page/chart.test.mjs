import assert from "node:assert/strict";
import { test } from "node:test";

import { columns } from "../../content/scripts/chart.js";

/** Left, top and width of each column. */
const parse = (path) => [...path.matchAll(/M([\d.]+) 100V([\d.]+)h([\d.]+)V100z/g)].map((m) => m.slice(1).map(Number));

test("columns stand side by side, as high as their counts, the peak over the whole height", () => {
  assert.deepEqual(parse(columns([1, 4, 2], 4, 0)), [
    [0, 75, 1],
    [1, 0, 1],
    [2, 50, 1],
  ]);
});

test("half of a gap is on each side of a column", () => {
  assert.deepEqual(parse(columns([4], 4, 0.5)), [[0.25, 0, 0.5]]);
});

test("nobody is no column, and one visitor can be seen beside thousands", () => {
  assert.deepEqual(parse(columns([0, 1, 9_000], 9_000, 0)), [
    [1, 98, 1],
    [2, 0, 1],
  ]);
  assert.equal(columns([0, 0], 0, 0), "");
});
