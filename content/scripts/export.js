// Files to save: the QR code as a picture, and the counts as tables.

import { INTERVAL } from "./history.js";

/** @typedef {readonly (string | number)[]} Row */

/**
 * A name such as "signin-realtime-sign-in.example-keynote.svg", of the page's host and folder.
 *
 * @param {string} address of the page
 * @param {string} suffix with the extension
 */
export function fileName(address, suffix) {
  const { host, pathname } = new URL(address);
  return `signin-${`${host}${pathname}`.replace(/[^\w.]+/g, "-").replace(/-$/, "")}${suffix}`;
}

/** @param {import("./qr.js").Drawing} drawing */
export function toSvg({ size, path }) {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges">` +
    `<path fill="#fff" d="M0 0h${size}v${size}H0z"/><path d="${path}"/></svg>\n`
  );
}

/**
 * A table after RFC 4180. It begins with a byte order mark, without which Excel reads UTF-8 as another encoding.
 *
 * @param {readonly Row[]} rows
 */
export function toCsv(rows) {
  const fields = rows.map((row) => row.map((field) => String(field)));
  const lines = fields.map((row) => row.map((field) => (/[",\r\n]/.test(field) ? quoted(field) : field)).join(","));
  return `\ufeff${lines.join("\r\n")}\r\n`;
}

/** @param {string} field */
function quoted(field) {
  return `"${field.replace(/"/g, '""')}"`;
}

/**
 * All intervals of a series, the oldest first, also those without check-ins, so that a chart of them is right. Times are
 * in ISO 8601 and UTC.
 *
 * @param {import("./history.js").Series} series
 * @param {import("./history.js").Range} range
 * @returns {Row[]}
 */
export function historyRows({ start, counts }, range) {
  const times = counts.map((_, index) => new Date(start + index * INTERVAL[range]).toISOString());
  return [
    ["From", "Check-ins"],
    ...counts.map((count, index) => [range === "days" ? times[index].slice(0, 10) : `${times[index].slice(0, 19)}Z`, count]),
  ];
}
