// node bundle.mjs <output folder> <node_modules> <script or style sheet>…: bundles these files of the working
// directory, and prints esbuild's metafile, which maps outputs to sources. Errors go to standard error.

import process from "node:process";

import { build } from "esbuild";

import { TARGET } from "../compatibility/browsers.mjs";

const [outdir, modules, ...entryPoints] = process.argv.slice(2);

try {
  const { metafile } = await build({
    entryPoints,
    outdir,
    nodePaths: [modules],
    bundle: true,
    minify: true,
    format: "esm",
    target: TARGET,
    // In Safari since 8. esbuild, which cannot translate it, expects it since 14.1, for the sake of some rare forms.
    supported: { destructuring: true },
    sourcemap: true,
    metafile: true,
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    loader: { ".woff2": "file" },
    banner: { js: "/*! Includes @microsoft/signalr (.NET Foundation) and qrcode-generator (Kazuhiko Arase), both MIT. */" },
    logLevel: "warning",
    color: false,
  });
  console.log(JSON.stringify(metafile));
} catch {
  process.exitCode = 1; // esbuild has logged the reason
}
