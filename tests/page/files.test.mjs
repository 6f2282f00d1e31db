import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const CONTENT = new URL("../../content/", import.meta.url);
const read = (path) => readFileSync(new URL(path, CONTENT), "utf8");
const { dependencies } = JSON.parse(read("../package.json"));

const PAGES = ["index.html", "404.html"];
const SCRIPTS = readdirSync(new URL("scripts/", CONTENT));

test("the page asks for the versions of the libraries that package.json installs", () => {
  const signalr = `src="lib/signalr-${dependencies["@microsoft/signalr"]}.min.js"`;
  const qrcode = `from "../lib/qrcode-generator-${dependencies["qrcode-generator"]}.mjs"`;
  assert.ok(read("index.html").includes(signalr), `index.html has no ${signalr}`);
  assert.ok(read("scripts/main.js").includes(qrcode), `main.js has no ${qrcode}`);
});

test("every file that a page refers to is there, the libraries aside", () => {
  for (const page of PAGES) {
    for (const [, address] of read(page).matchAll(/(?:src|href)="([^"]+\.\w+)"/g)) {
      const path = address.replace(/^\//, "");
      assert.ok(path.startsWith("lib/") || existsSync(new URL(path, CONTENT)), `${page} refers to ${address}`);
    }
  }
});

test("every module that a script imports is there, the libraries aside", () => {
  for (const script of SCRIPTS) {
    for (const [, path] of read(`scripts/${script}`).matchAll(/^import .* from "([^"]+)";$/gm)) {
      const there = existsSync(new URL(path, new URL("scripts/", CONTENT)));
      assert.ok(path.startsWith("../lib/") || there, `${script} imports ${path}`);
    }
  }
});

test("no page has an inline script or style, which a strict content security policy would refuse", () => {
  for (const page of PAGES) {
    assert.doesNotMatch(read(page), /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/i, page);
  }
});

test("nothing is loaded from another site", () => {
  for (const page of PAGES) {
    assert.doesNotMatch(read(page), /(?:src|href)="(?:https?:)?\/\//, page);
  }
});
