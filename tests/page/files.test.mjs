import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const CONTENT = new URL("../../content/", import.meta.url);
const read = (path) => readFileSync(new URL(path, CONTENT), "utf8");

const PAGES = ["index.html", "404.html"];

test("no page has an inline script or style, which its CSP would block", () => {
  for (const page of PAGES) {
    assert.doesNotMatch(read(page), /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|data:/i, page);
  }
});

test("nothing is loaded from another site", () => {
  for (const page of PAGES) {
    assert.doesNotMatch(read(page), /(?:src|href)="(?:https?:)?\/\//, page);
  }
});

test("every icon of the manifest exists and has the stated size", () => {
  for (const { src, sizes, type } of JSON.parse(read("site.webmanifest")).icons) {
    const icon = readFileSync(new URL(src.slice(1), CONTENT));
    if (type !== "image/png") continue;
    const [width, height] = [icon.readUInt32BE(16), icon.readUInt32BE(20)]; // in the header of a PNG
    assert.equal(`${width}x${height}`, sizes, src);
  }
});
