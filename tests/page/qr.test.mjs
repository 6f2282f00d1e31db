import assert from "node:assert/strict";
import { test } from "node:test";

import makeCode from "qrcode-generator";

import { drawCode } from "../../content/scripts/qr.js";

function codeOf(text) {
  const code = makeCode(0, "M");
  code.addData(text);
  code.make();
  return code;
}

test("the drawing has all dark modules and a quiet zone of four", () => {
  const code = codeOf("https://realtime-sign-in.example/");
  const { size, path } = drawCode(code);
  const count = code.getModuleCount();
  assert.equal(size, count + 8);

  const drawn = new Set([...path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)].map(([, x, y]) => `${x} ${y}`));
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const inside = x >= 4 && y >= 4 && x < size - 4 && y < size - 4;
      assert.equal(drawn.has(`${x} ${y}`), inside && code.isDark(y - 4, x - 4), `module at ${x}, ${y}`);
    }
  }
});
