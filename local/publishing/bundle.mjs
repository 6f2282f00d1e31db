// node bundle.mjs <output folder> <node_modules> <script for other sites, or ""> <script or style sheet>…: bundles these
// files of the working directory, and prints the outputs of esbuild's metafile, which have the name of their source.
// Errors go to standard error.

import process from "node:process";

import { build } from "esbuild";

import { TARGET } from "../compatibility/browsers.mjs";

const [outdir, modules, embed, ...entryPoints] = process.argv.slice(2);

const options = {
  outdir,
  bundle: true,
  minify: true,
  target: TARGET,
  // In Safari since 8. esbuild, which cannot translate it, expects it since 14.1, for the sake of some rare forms.
  supported: { destructuring: true },
  metafile: true,
  logLevel: "warning",
  color: false,
};

try {
  const results = await Promise.all([
    build({
      ...options,
      entryPoints,
      nodePaths: [modules],
      format: "esm",
      sourcemap: true,
      entryNames: "[name]-[hash]",
      assetNames: "[name]-[hash]",
      loader: { ".woff2": "file" },
      banner: { js: "/*! Includes @microsoft/signalr (.NET Foundation) and qrcode-generator (Kazuhiko Arase), both MIT. */" },
    }),
    build({
      ...options,
      entryPoints: [embed].filter(Boolean),
      format: "iife", // a classic script: a module of another origin would itself need CORS
      tsconfigRaw: "{}", // without it, the strict mode of tsconfig.json adds a directive to the script
    }),
  ]);
  console.log(JSON.stringify(Object.assign({}, ...results.map(({ metafile }) => metafile.outputs))));
} catch {
  process.exitCode = 1; // esbuild has logged the reason
}
