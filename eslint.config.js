import js from "@eslint/js";
import globals from "globals";

import { browsers, css } from "./local/compatibility/eslint.mjs";

const SCRIPTS = ["**/*.{js,mjs,cjs}"];

// Names of the page's own members that are also names of members that some browsers lack.
const own = ["address", "delay", "drop", "storage", "transport"];

// The styles may use these though some browsers lack them. Before you add one, look at the page without it.
const refinements = [
  // esbuild translates it, or adds the prefix.
  ...["inset", "mask-image"],
  // older.css or theme.css has a replacement.
  ...["cqi", "overflow-x: clip", ":focus-visible", "gap of a flex container", "column-gap of a flex container"],
  // An SVG with a viewBox has a ratio anyway.
  "aspect-ratio",
  // The layout of a phone remains.
  ...["@container", "container-type", "container-type: inline-size"],
  // A sheet of paper has the browser's own margin.
  ...["@page", "size"],
  // A longer row, wider lines, or both the caption and a problem.
  ...[":has", "width: fit-content"],
  // Such a browser has no such mode, or the colours of its own controls stay light.
  ...["(forced-colors)", "forced-color-adjust", "forced-color-adjust: none", "(scripting)", "color-scheme"],
  ...["color-scheme: light", "color-scheme: dark", "cursor", "cursor: pointer", "cursor: crosshair", "cursor: none"],
];

export default [
  { files: SCRIPTS, ...js.configs.recommended },
  {
    files: SCRIPTS,
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-shadow": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
    },
  },
  {
    files: ["content/**/*.js"],
    languageOptions: { globals: globals.browser },
    plugins: { browsers },
    rules: { "browsers/calls": ["error", { own }] },
  },
  { files: ["{tests,local}/**/*.{js,mjs,cjs}"], languageOptions: { globals: globals.node } },
  {
    files: ["content/**/*.css"],
    language: "css/css",
    plugins: { css, browsers },
    rules: { "browsers/styles": ["error", { refinements }] },
  },
];
