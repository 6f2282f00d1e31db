// The border of the page: all answers of the app and all messages of its hub are checked here, and nowhere else. One
// that is malformed is refused as a whole, by an exception, so the other modules can rely on the types.

import { fromJson, RANGES } from "./history.js";

/**
 * @typedef {import("./snapshot.js").Counts} Counts
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./history.js").HistoryJson} HistoryJson
 * @typedef {{ url: string, accessToken: string }} Endpoint the token is for one connection
 *
 * @typedef {object} Here
 * @property {number} now how many pages are open
 * @property {number} [seconds] in a response: after which the page reads again, at the latest
 * @property {string} [slot] in the response to a page that reports itself
 */

// Far more than the app sends, and little enough to be drawn.
const MOST_LABELS = 1_000; // of one kind; the app sends some twenty
const LONGEST_LABEL = 100; // characters
const LONGEST_SERIES = 1_000; // intervals; the app sends 366 days
const LONGEST_SLOT = 100; // characters
const LONGEST_ERROR = 500; // characters; the app sends one line
const LONGEST_PAUSE = 3_600; // s; a timer of more than 24 days would end at once

// The counts of a map add up to the total. A hundredfold difference cannot come from a row that was edited by hand.
const CONTRADICTION = 100;

const DIMENSION = /^by[A-Z]/; // the members that count visits by label: "byOS", "byBrowser", …
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/**
 * The response to a sign-in that succeeded. It has a member `recorded`, "no", only if it is not counted as a visit.
 *
 * @param {unknown} body
 * @returns {{ recorded: "yes" | "never", endpoint: Endpoint, snapshot: Snapshot }}
 */
export function parseSignIn(body) {
  const { authInfo, stats, recorded } = asObject(body, "answer");
  const { serviceUrl, accessToken } = asObject(authInfo, "authInfo");
  check(recorded === undefined || recorded === "no", "recorded");
  return {
    recorded: recorded === "no" ? "never" : "yes",
    endpoint: parseEndpoint({ url: serviceUrl, accessToken }),
    snapshot: parseStats(stats),
  };
}

/**
 * The response of `/negotiate`.
 *
 * @param {unknown} body
 * @returns {Endpoint}
 */
export function parseEndpoint(body) {
  const { url, accessToken } = asObject(body, "answer");
  check(typeof url === "string" && /^https?:\/\//.test(url), "url");
  check(typeof accessToken === "string", "accessToken");
  return { url, accessToken };
}

/**
 * The response of `/stats`, and the `stats` of a response to a sign-in.
 *
 * @param {unknown} body
 * @param {number} [now] ms
 * @returns {Snapshot}
 */
export function parseStats(body, now = Date.now()) {
  const { totalNumber: total, history, here, ...others } = asObject(body, "answer");
  check(isCount(total), "totalNumber");
  /** @type {[string, Counts][]} */
  const maps = Object.entries(others)
    .filter(([name]) => DIMENSION.test(name))
    .map(([name, map]) => [name, parseCounts(map, name)]);
  const counts = Object.fromEntries(maps);
  for (const name of ["byOS", "byBrowser"]) check(counts[name] !== undefined, name);
  for (const map of Object.values(counts)) {
    const sum = Object.values(map).reduce((subtotal, count) => subtotal + count, 0);
    check(total <= Math.max(sum, 1) * CONTRADICTION && sum <= total * CONTRADICTION, "totalNumber");
  }
  return {
    total,
    counts,
    history: history === undefined ? null : parseHistory(history, now),
    here: here === undefined ? null : parseHere(here),
  };
}

/**
 * The arguments of a live update: the total, two maps, and since version 1.0.0 an object with further ones.
 *
 * @param {readonly unknown[]} update
 * @returns {Snapshot}
 */
export function parseUpdate([totalNumber, byOS, byBrowser, more = {}]) {
  return parseStats({ ...asObject(more, "update"), totalNumber, byOS, byBrowser });
}

/**
 * The response to a request that failed. It may come from a gateway, so any body is accepted.
 *
 * @param {unknown} body
 * @param {number} status
 * @returns {{ error: string, recorded: "no" | "unknown" }}
 */
export function parseFailure(body, status) {
  const { error, recorded } = Object(body);
  return {
    error: typeof error === "string" ? error.slice(0, LONGEST_ERROR) : `The app answered with status ${status}.`,
    recorded: recorded === "no" ? "no" : "unknown",
  };
}

/**
 * The header Retry-After.
 *
 * @param {string | null} header
 * @returns {number} seconds, 0 if it has no number of them
 */
export function parseRetryAfter(header) {
  const seconds = Number(header);
  return seconds > 0 ? Math.min(seconds, LONGEST_PAUSE) : 0;
}

/**
 * @param {unknown} value
 * @param {string} name
 * @returns {Counts}
 */
function parseCounts(value, name) {
  const entries = Object.entries(asObject(value, name));
  check(entries.length <= MOST_LABELS, name);
  check(
    entries.every(([label, count]) => label.length <= LONGEST_LABEL && isCount(count)),
    name,
  );
  return /** @type {Counts} */ (value);
}

/**
 * @param {unknown} value
 * @param {number} now ms
 */
function parseHistory(value, now) {
  const history = asObject(value, "history");
  for (const range of RANGES) {
    const { start, counts } = asObject(history[range], "history");
    check(typeof start === "string" && TIME.test(start) && !Number.isNaN(Date.parse(start)), "history");
    check(Array.isArray(counts) && counts.length > 0 && counts.length <= LONGEST_SERIES, "history");
    check(counts.every(isCount), "history");
  }
  return fromJson(/** @type {HistoryJson} */ (history), now);
}

/**
 * @param {unknown} value of a response, or the number of an update
 * @returns {Here}
 */
function parseHere(value) {
  const { now, seconds, slot } = isCount(value) ? { now: value } : asObject(value, "here");
  check(isCount(now), "here");
  check(seconds === undefined || (isCount(seconds) && seconds > 0 && seconds <= LONGEST_PAUSE), "here");
  check(slot === undefined || (typeof slot === "string" && slot.length <= LONGEST_SLOT), "here");
  return { now, seconds, slot };
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isCount(value) {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/**
 * @param {unknown} value
 * @param {string} name
 * @returns {Record<string, unknown>}
 */
function asObject(value, name) {
  check(typeof value === "object" && value !== null && !Array.isArray(value), name);
  return /** @type {Record<string, unknown>} */ (value);
}

/**
 * @param {boolean} isRight
 * @param {string} name
 * @returns {asserts isRight}
 */
function check(isRight, name) {
  if (!isRight) throw new TypeError(`The app sent a malformed ${name}.`);
}
