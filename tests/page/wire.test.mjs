import assert from "node:assert/strict";
import { test } from "node:test";

import {
  parseEndpoint,
  parseFailure,
  parseRetryAfter,
  parseSignIn,
  parseStats,
  parseUpdate,
} from "../../content/scripts/wire.js";

const NOW = Date.parse("2026-11-23T11:35:20Z");
const ENDPOINT = { url: "https://x/client/?hub=h", accessToken: "t" };
const COUNTS = { byOS: { Windows: 2, macOS: 1 }, byBrowser: { Chrome: 3 }, byDevice: { Desktop: 3 } };
const SERIES = { start: "2026-11-23T11:34:00Z", counts: [0, 3] };
const HERE = { now: 12, seconds: 300, slot: "1795772100-3f9a12bc" };
const STATS = { totalNumber: 3, ...COUNTS, history: { minutes: SERIES, hours: SERIES, days: SERIES }, here: HERE };

// Values of each JSON type, and numbers that count nothing.
const WRONG = [null, true, "", "3", -1, 0.5, 1e30, 2 ** 53, Number.NaN, Infinity, [], [3], { nested: { Windows: 3 } }];
const MISSING = undefined;

const labels = (count) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`label ${index}`, 1]));
const except = (...allowed) => WRONG.filter((value) => !allowed.includes(value));

/** Each member of the statistics, by its path, with the values that must not be accepted. */
const MALFORMED = {
  totalNumber: [...WRONG, MISSING, 3 * 101, Number.MAX_SAFE_INTEGER],
  byOS: [...WRONG, MISSING, { Windows: 301 }, labels(1_001), { ["x".repeat(101)]: 3 }],
  byBrowser: [...WRONG, MISSING, { Chrome: 301 }, labels(1_001), { ["x".repeat(101)]: 3 }],
  byDevice: [...WRONG, labels(1_001), { ["x".repeat(101)]: 3 }],
  byPlanet: WRONG,
  "byOS.Windows": WRONG,
  "byBrowser.__proto__": WRONG,
  "byDevice.Phone": WRONG,
  history: WRONG,
  "history.minutes": [...WRONG, MISSING],
  "history.hours.start": [...WRONG, MISSING, "yesterday", "2026-13-01T00:00:00Z", "+275760-09-13T00:00:00Z"],
  "history.days.counts": [...except(3).filter((value) => !Array.isArray(value) || value.length === 0), MISSING],
  "history.days.counts.0": WRONG,
  "history.minutes.counts": [Array(1_001).fill(0)],
  here: WRONG,
  "here.now": [...WRONG, MISSING],
  "here.seconds": [...WRONG, 0, 3_601],
  "here.slot": [...except("", "3"), "x".repeat(101)],
};

/** A copy with another value at a path; MISSING removes the member. */
function change(body, path, value) {
  const copy = structuredClone(body);
  const names = path.split(".");
  const last = names.pop();
  const parent = names.reduce((member, name) => member[name], copy);
  if (value === MISSING) delete parent[last];
  else Object.defineProperty(parent, last, { value, enumerable: true, configurable: true, writable: true });
  return copy;
}

const malformed = Object.entries(MALFORMED).flatMap(([path, values]) =>
  values.map((value) => ({ path, value, stats: change(STATS, path, value) })),
);
const describe = ({ path, value }) => `${path}: ${JSON.stringify(value)?.slice(0, 40) ?? "missing"} (${typeof value})`;
const refuses = (parse, reason) => assert.throws(parse, { name: "TypeError", message: /^The app sent a mal/ }, reason);

test("well-formed statistics are accepted", () => {
  const snapshot = parseStats(STATS, NOW);
  const series = { start: Date.parse(SERIES.start), counts: SERIES.counts };
  assert.deepEqual(snapshot, {
    total: 3,
    counts: COUNTS,
    history: { at: NOW, series: { minutes: series, hours: series, days: series } },
    here: HERE,
  });
  assert.deepEqual(parseSignIn({ authInfo: { serviceUrl: ENDPOINT.url, accessToken: "t" }, stats: STATS }).endpoint, {
    ...ENDPOINT,
  });
});

test("malformed statistics are refused, whichever member is wrong", () => {
  for (const one of malformed) refuses(() => parseStats(one.stats), describe(one));
  for (const body of [...WRONG, MISSING]) refuses(() => parseStats(body), JSON.stringify(body));
});

test("a sign-in with malformed statistics or endpoint is refused", () => {
  const authInfo = { serviceUrl: ENDPOINT.url, accessToken: "t" };
  for (const one of malformed) refuses(() => parseSignIn({ authInfo, stats: one.stats }), describe(one));
  for (const value of [...WRONG, MISSING]) {
    refuses(() => parseSignIn(value));
    refuses(() => parseSignIn({ authInfo: value, stats: STATS }));
    refuses(() => parseSignIn({ authInfo: { ...authInfo, serviceUrl: value }, stats: STATS }));
  }
});

test("a sign-in is a visit unless the app reports that none was recorded", () => {
  const body = { authInfo: { serviceUrl: ENDPOINT.url, accessToken: "t" }, stats: STATS };
  assert.equal(parseSignIn(body).recorded, "yes");
  assert.equal(parseSignIn({ ...body, recorded: "no" }).recorded, "never");
  for (const recorded of WRONG) refuses(() => parseSignIn({ ...body, recorded }), JSON.stringify(recorded));
});

test("a malformed update is refused", () => {
  const updateOf = ({ totalNumber, byOS, byBrowser, ...more }) => [totalNumber, byOS, byBrowser, more];
  for (const one of malformed) refuses(() => parseUpdate(updateOf(one.stats)), describe(one));
  for (const more of WRONG.filter((value) => !value?.nested)) {
    refuses(() => parseUpdate([3, COUNTS.byOS, COUNTS.byBrowser, more]), JSON.stringify(more));
  }
  refuses(() => parseUpdate([]));
});

test("an update may have no further counts, others, and more arguments", () => {
  const { byOS, byBrowser, byDevice } = COUNTS;
  const byPlanet = { Earth: 3 };
  const counts = (...update) => parseUpdate(update).counts;
  assert.deepEqual(counts(3, byOS, byBrowser), { byOS, byBrowser });
  assert.deepEqual(counts(3, byOS, byBrowser, { byDevice }), { byOS, byBrowser, byDevice });
  assert.deepEqual(counts(3, byOS, byBrowser, { byPlanet, since: [] }, null), { byOS, byBrowser, byPlanet });
});

test("an update cannot replace its arguments by members", () => {
  const { total, counts } = parseUpdate([3, COUNTS.byOS, COUNTS.byBrowser, { totalNumber: 9, byOS: { Linux: 9 } }]);
  assert.deepEqual({ total, byOS: counts.byOS }, { total: 3, byOS: COUNTS.byOS });
});

test("statistics may lack history and devices, and have further members", () => {
  const { byOS, byBrowser } = COUNTS;
  const old = { totalNumber: 3, byOS, byBrowser };
  const expected = { total: 3, counts: { byOS, byBrowser }, history: null, here: null };
  assert.deepEqual(parseStats(old), expected);
  assert.deepEqual(parseStats({ ...old, there: null, bytes: "?", by: [], title: { en: "x" } }), expected);
});

test("open pages are a number in an update, and an object in an answer", () => {
  const { byOS, byBrowser } = COUNTS;
  const here = (value) => parseUpdate([3, byOS, byBrowser, { here: value }]).here;
  assert.equal(here(0).now, 0);
  assert.equal(here(12).now, 12);
  assert.equal(parseUpdate([3, byOS, byBrowser, {}]).here, null);
  const answer = parseStats({ totalNumber: 3, byOS, byBrowser, here: { now: 12, seconds: 300, more: [] } });
  assert.deepEqual(answer.here, { now: 12, seconds: 300, slot: undefined });
});

test("statistics of an empty table are accepted", () => {
  const empty = { totalNumber: 0, byOS: {}, byBrowser: {} };
  assert.equal(parseStats(empty).total, 0);
});

test("a total may differ from its maps, but not a hundredfold", () => {
  const byBrowser = { Chrome: 5 };
  for (const totalNumber of [1, 4, 6, 100]) {
    assert.equal(parseStats({ totalNumber, byOS: { Windows: 1 }, byBrowser }).total, totalNumber);
  }
  refuses(() => parseStats({ totalNumber: 101, byOS: { Windows: 1 }, byBrowser }));
  refuses(() => parseStats({ totalNumber: 0, byOS: { Windows: 1 }, byBrowser }));
  refuses(() => parseStats({ totalNumber: 101, byOS: {}, byBrowser }));
  refuses(() => parseStats({ totalNumber: Number.MAX_SAFE_INTEGER, byOS: {}, byBrowser: {} }));
  refuses(() => parseStats({ totalNumber: 1, byOS: { Windows: 1 }, byBrowser, byDevice: { Phone: 101 } }));
});

test("the largest total is the largest exact number", () => {
  const most = Number.MAX_SAFE_INTEGER;
  assert.equal(parseStats({ totalNumber: most, byOS: { Windows: most }, byBrowser: { Chrome: most } }).total, most);
});

test("a label may have any name, and change nothing but its own count", () => {
  const { counts } = parseStats(
    JSON.parse('{"totalNumber": 3, "byOS": {"__proto__": 2, "constructor": 1}, "byBrowser": {"toString": 3}}'),
  );
  assert.deepEqual(Object.entries(counts.byOS), [
    ["__proto__", 2],
    ["constructor", 1],
  ]);
  assert.equal({}.constructor, Object);
});

test("members of a prototype are not members of an answer", () => {
  refuses(() => parseStats(JSON.parse(`{"__proto__": ${JSON.stringify(STATS)}}`)));
});

test("an endpoint is an absolute address with a token, which may be empty", () => {
  assert.deepEqual(parseEndpoint({ ...ENDPOINT, more: null }), ENDPOINT);
  assert.deepEqual(parseEndpoint({ ...ENDPOINT, accessToken: "" }), { ...ENDPOINT, accessToken: "" });
  for (const value of [...WRONG, MISSING]) refuses(() => parseEndpoint(value));
  for (const url of [...WRONG, MISSING, "/client", "ws://x", "javascript:0"]) {
    refuses(() => parseEndpoint({ ...ENDPOINT, url }), `${url}`);
  }
  for (const accessToken of [...WRONG.filter((value) => typeof value !== "string"), MISSING]) {
    refuses(() => parseEndpoint({ ...ENDPOINT, accessToken }), `${accessToken}`);
  }
});

test("a failure has its error, or else its status", () => {
  assert.deepEqual(parseFailure({ error: "away", recorded: "no" }, 503), { error: "away", recorded: "no" });
  for (const value of [...WRONG.filter((wrong) => typeof wrong !== "string"), MISSING]) {
    const unclear = { error: "The app answered with status 503.", recorded: "unknown" };
    assert.deepEqual(parseFailure(value, 503), unclear);
    assert.deepEqual(parseFailure({ error: value, recorded: value }, 503), unclear);
  }
  assert.equal(parseFailure({ error: "x".repeat(100_000) }, 503).error.length, 500);
});

test("Retry-After is a number of seconds, an hour at most", () => {
  for (const header of [null, "", "-1", "NaN", "Wed, 21 Oct 2026 07:28:00 GMT"]) assert.equal(parseRetryAfter(header), 0);
  assert.equal(parseRetryAfter("7"), 7);
  for (const header of ["3601", "1e30", "Infinity"]) assert.equal(parseRetryAfter(header), 3_600);
});
