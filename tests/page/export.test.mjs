import assert from "node:assert/strict";
import { test } from "node:test";

import { fileName, historyRows, toCsv, toSvg } from "../../content/scripts/export.js";
import { countRows } from "../../content/scripts/panels.js";

test("a file is named after the host and the room", () => {
  assert.equal(fileName("https://sign-in.example/", ".svg"), "signin-sign-in.example.svg");
  assert.equal(fileName("https://sign-in.example/keynote/", ".png"), "signin-sign-in.example-keynote.png");
  assert.equal(fileName("http://127.0.0.1:7071/a/b/", "-days.csv"), "signin-127.0.0.1-7071-a-b-days.csv");
});

test("the SVG has the code on white, and needs no style", () => {
  const svg = toSvg({ size: 29, path: "M4 4h1v1h-1z" });
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 29 29" /);
  assert.match(svg, /<path fill="#fff" d="M0 0h29v29H0z"\/><path d="M4 4h1v1h-1z"\/><\/svg>\n$/);
});

test("a CSV has a byte order mark, CRLF, and quotes where RFC 4180 needs them", () => {
  const rows = [
    ["Label", "Check-ins"],
    ['A "b", c', 1_234],
    ["two\nlines", 0],
    ["Åland", 1],
  ];
  assert.equal(toCsv(rows), '\ufeffLabel,Check-ins\r\n"A ""b"", c",1234\r\n"two\nlines",0\r\nÅland,1\r\n');
});

test("the rows of a series have all its intervals, with times in UTC", () => {
  const series = { start: Date.parse("2026-11-23T23:59:00Z"), counts: [3, 0] };
  assert.deepEqual(historyRows(series, "minutes"), [
    ["From", "Check-ins"],
    ["2026-11-23T23:59:00Z", 3],
    ["2026-11-24T00:00:00Z", 0],
  ]);
  const days = { start: Date.parse("2026-11-23T00:00:00Z"), counts: [3, 0] };
  assert.deepEqual(historyRows(days, "days").slice(1), [
    ["2026-11-23", 3],
    ["2026-11-24", 0],
  ]);
});

test("the rows of the counts are the bars of all panels, with their names", () => {
  const counts = { byOS: { Linux: 1, iOS: 3 }, byBrowser: { Safari: 4 }, byDevice: { Phone: 4 }, byCountry: { DE: 3, Other: 1 } };
  assert.deepEqual(countRows({ total: 4, counts }), [
    ["By", "Label", "Check-ins"],
    ["Operating system", "iOS", 3],
    ["Operating system", "Linux", 1],
    ["Device", "Phone", 4],
    ["Browser", "Safari", 4],
    ["Country", new Intl.DisplayNames(undefined, { type: "region" }).of("DE"), 3],
    ["Country", "Other", 1],
    ["Language", "Other", 4],
  ]);
});
