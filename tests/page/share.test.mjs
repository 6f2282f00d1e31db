import assert from "node:assert/strict";
import { test } from "node:test";

import { shareAddress, shareMethod } from "../../content/scripts/share.js";

const URL_TO_SHARE = "https://realtime-sign-in.example/";

/** A device that records the data that it shares or copies. */
function device({ shares = false, copies = false, error } = {}) {
  const given = [];
  const take = (what) => {
    given.push(what);
    return error ? Promise.reject(error) : Promise.resolve();
  };
  return { given, ...(shares && { share: take }), ...(copies && { clipboard: { writeText: take } }) };
}

test("a device shares if it can, else copies, else does neither", () => {
  assert.equal(shareMethod(device({ shares: true, copies: true })), "share");
  assert.equal(shareMethod(device({ copies: true })), "copy");
  assert.equal(shareMethod(device()), "none");
});

test("the address is shared", async () => {
  const phone = device({ shares: true, copies: true });
  assert.equal(await shareAddress(URL_TO_SHARE, phone), "shared");
  assert.deepEqual(phone.given, [{ url: URL_TO_SHARE }]);
});

test("the address is copied", async () => {
  const laptop = device({ copies: true });
  assert.equal(await shareAddress(URL_TO_SHARE, laptop), "copied");
  assert.deepEqual(laptop.given, [URL_TO_SHARE]);
});

test("a cancelled dialog is not a failure", async () => {
  const error = new DOMException("Share canceled", "AbortError");
  assert.equal(await shareAddress(URL_TO_SHARE, device({ shares: true, error })), "shared");
});

test("a clipboard that refuses the text is a failure", async () => {
  const error = new DOMException("Write permission denied.", "NotAllowedError");
  assert.equal(await shareAddress(URL_TO_SHARE, device({ copies: true, error })), "failed");
  assert.equal(await shareAddress(URL_TO_SHARE, device()), "failed");
});
