// The buttons that save files: the code as SVG and PNG, and the tables as CSV. No server is asked.

import { fileName, historyRows, toCsv, toSvg } from "./export.js";

const LEAST_SIDE = 1024; // px of a PNG, enough for a sheet of A4
const KEPT = 60_000; // ms; Safari reads the file some time after the click

/** @typedef {import("./qr.js").Drawing} Drawing */

/**
 * @param {string} address of the page
 * @param {Drawing} code
 * @param {Pick<typeof import("./view.js"), "saveButtons" | "shownCounts" | "shownHistory">} view
 */
export function setUpDownloads(address, code, { saveButtons, shownCounts, shownHistory }) {
  /**
   * @param {string} suffix of the name
   * @param {BlobPart} content
   * @param {string} type
   */
  const save = (suffix, content, type) => download(fileName(address, suffix), new Blob([content], { type }));
  /**
   * @param {string} name
   * @param {readonly import("./export.js").Row[]} rows
   */
  const saveTable = (name, rows) =>
    save(`-${name}-${new Date().toISOString().slice(0, 10)}.csv`, toCsv(rows), "text/csv;charset=utf-8");

  saveButtons.svg.addEventListener("click", () => save(".svg", toSvg(code), "image/svg+xml"));
  saveButtons.png.addEventListener("click", () => {
    draw(code).toBlob((png) => png && save(".png", png, "image/png"));
  });
  saveButtons.counts.addEventListener("click", () => saveTable("counts", shownCounts()));
  saveButtons.history.addEventListener("click", () => {
    const shown = shownHistory();
    if (shown) saveTable(shown.range, historyRows(shown.series, shown.range));
  });
}

/**
 * A module has a whole number of pixels, so that its edges are sharp.
 *
 * @param {Drawing} code
 */
function draw({ size, path }) {
  const module = Math.ceil(LEAST_SIDE / size);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = module * size;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#000";
  context.scale(module, module);
  context.fill(new Path2D(path));
  return canvas;
}

/**
 * @param {string} name
 * @param {Blob} file
 */
function download(name, file) {
  const link = document.createElement("a");
  link.download = name;
  link.href = URL.createObjectURL(file);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT);
}
