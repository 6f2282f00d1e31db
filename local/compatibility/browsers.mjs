// The browsers that the page supports, out of "browserslist" in package.json, the only place that names them.

import { readFileSync } from "node:fs";

const QUERIES = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf-8")).browserslist;

// The names of a browserslist, with those of esbuild and of @mdn/browser-compat-data. esbuild knows no Samsung Internet,
// which is a Chromium: version 15 is Chromium 90. Apps on Android embed a WebView of Chrome's version.
const NAMES = {
  chrome: { esbuild: "chrome", mdn: ["chrome", "chrome_android", "webview_android"] },
  edge: { esbuild: "edge", mdn: ["edge"] },
  firefox: { esbuild: "firefox", mdn: ["firefox", "firefox_android"] },
  ios_saf: { esbuild: "ios", mdn: ["safari_ios"] },
  safari: { esbuild: "safari", mdn: ["safari"] },
  samsung: { esbuild: null, mdn: ["samsunginternet_android"] },
};

/** The oldest versions, such as `{ name: "safari", version: "14" }`. */
export const BROWSERS = QUERIES.map((query) => {
  const [, name, version] = /^(\w+) >= ([\d.]+)$/.exec(query) ?? [];
  if (!(name in NAMES)) throw new Error(`"${query}" in package.json is not like "safari >= 14", or its browser is unknown.`);
  return { name, version };
});

/** esbuild's `target`. */
export const TARGET = BROWSERS.filter(({ name }) => NAMES[name].esbuild).map(
  ({ name, version }) => `${NAMES[name].esbuild}${version}`,
);

/** The oldest version of each browser of @mdn/browser-compat-data. */
export const VERSIONS = new Map(BROWSERS.flatMap(({ name, version }) => NAMES[name].mdn.map((mdn) => [mdn, version])));
