import assert from "node:assert/strict";
import { test } from "node:test";

import { isVisit, Memory, navigationType } from "../../content/scripts/visitor.js";

const storageOf = (map) => ({ getItem: (key) => map.get(key) ?? null, setItem: (key, value) => map.set(key, value) });
const forbidden = () => {
  throw new DOMException("The operation is insecure.", "SecurityError");
};

for (const type of ["navigate", "reload", "prerender", undefined]) {
  test(`a page is a visit if its navigation has the type ${type}`, () => assert.equal(isVisit("", type), true));
}

test("a page that comes back by Back or Forward is no visit", () => assert.equal(isVisit("", "back_forward"), false));

for (const search of ["?present", "?present=", "?campaign=poster&present"]) {
  test(`the wall ${search} is no visit, also if it is reloaded`, () => {
    assert.equal(isVisit(search, "navigate"), false);
    assert.equal(isVisit(search, "reload"), false);
  });
}

test("another parameter makes no wall", () => assert.equal(isVisit("?presents&a=present", "navigate"), true));

const windowOf = (entries, type, document = {}) => ({
  performance: { getEntriesByType: () => entries, navigation: { type } },
  document,
});

test("the browser reports how it came to the page", () => {
  assert.equal(navigationType(windowOf([{ type: "reload" }], 1)), "reload");
  assert.equal(navigationType(windowOf([{ type: "back_forward" }], 2)), "back_forward");
});

test("Safari 14 reports Back and Forward by a number", () => {
  assert.equal(navigationType(windowOf([], 2)), "back_forward");
  for (const type of [0, 1, 255]) assert.equal(navigationType(windowOf([], type)), undefined);
  assert.equal(navigationType({ performance: { getEntriesByType: () => [] }, document: {} }), undefined);
});

test("a tab that comes back after it was discarded is no visit", () => {
  assert.equal(isVisit("", navigationType(windowOf([{ type: "reload" }], 1, { wasDiscarded: true }))), false);
  assert.equal(isVisit("", navigationType(windowOf([{ type: "reload" }], 1, { wasDiscarded: false }))), true);
});

test("a visitor returns to each folder separately", () => {
  const map = new Map();
  const of = (path) => new Memory(() => storageOf(map), path);
  assert.equal(of("/").visitor, "new");
  of("/").remember();
  assert.equal(of("/index.html").visitor, "returning");
  assert.equal(of("/keynote/").visitor, "new");
  of("/keynote/").remember();
  assert.equal(of("/keynote/").visitor, "returning");
  assert.equal(of("/hall-a/").visitor, "new");
});

test("the memory is one word, the same for all visitors", () => {
  const maps = [new Map(), new Map()];
  for (const map of maps) new Memory(() => storageOf(map), "/keynote/").remember();
  assert.deepEqual([...maps[0]], [["visit /keynote/", "counted"]]);
  assert.deepEqual(maps[0], maps[1]);
});

const BROKEN = {
  "is forbidden": forbidden,
  "is missing": () => null,
  "is full": () => ({ getItem: () => null, setItem: forbidden }),
  "throws when it is read": () => ({ getItem: forbidden, setItem: forbidden }),
  "has another word": () => ({ getItem: () => "", setItem() {} }),
};

for (const [reason, storage] of Object.entries(BROKEN)) {
  test(`a visitor is new if the storage ${reason}`, () => {
    const memory = new Memory(storage, "/");
    assert.equal(memory.visitor, "new");
    memory.remember();
    assert.equal(memory.visitor, "new");
  });
}
