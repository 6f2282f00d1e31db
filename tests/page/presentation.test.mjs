import assert from "node:assert/strict";
import { test } from "node:test";

import { addressOf } from "../../content/scripts/presentation.js";

const PLAIN = "https://x.example/";

test("?present in the URL marks presentation mode", () => {
  assert.equal(addressOf(PLAIN, true), `${PLAIN}?present`);
  assert.equal(addressOf(`${PLAIN}?present`, true), `${PLAIN}?present`);
  assert.equal(addressOf(`${PLAIN}?present`, false), PLAIN);
  assert.equal(addressOf(`${PLAIN}?present=`, false), PLAIN);
});

test("all other parts of the URL stay", () => {
  const address = `${PLAIN}?campaign=a%20poster&presents=1#top`;
  const presented = `${PLAIN}?present&campaign=a%20poster&presents=1#top`;
  assert.equal(addressOf(address, true), presented);
  assert.equal(addressOf(presented, false), address);
});
