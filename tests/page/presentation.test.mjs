import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf } from "../../content/scripts/presentation.js";

const PLAIN = "https://x.example/";

test("the address says that the page is presented, and can be bookmarked", () => {
  assert.equal(addressOf(PLAIN, true), `${PLAIN}?present`);
  assert.equal(addressOf(`${PLAIN}?present`, true), `${PLAIN}?present`);
  assert.equal(addressOf(`${PLAIN}?present`, false), PLAIN);
  assert.equal(addressOf(`${PLAIN}?present=`, false), PLAIN);
});

test("whatever else is in the address stays there", () => {
  const address = `${PLAIN}?campaign=a%20poster&presents=1#top`;
  const presented = `${PLAIN}?present&campaign=a%20poster&presents=1#top`;
  assert.equal(addressOf(address, true), presented);
  assert.equal(addressOf(presented, false), address);
});
