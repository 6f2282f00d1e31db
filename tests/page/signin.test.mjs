import assert from "node:assert/strict";
import { test } from "node:test";

import { fetchStats, negotiate, postSignIn } from "../../content/scripts/api.js";
import { REPEATABLE, SETTLED, signIn } from "../../content/scripts/signin.js";
import { parseStats } from "../../content/scripts/wire.js";

const STATS = { totalNumber: 3, byOS: { Windows: 3 }, byBrowser: { Chrome: 3 }, byDevice: { Phone: 3 } };
const COUNTED = { authInfo: { serviceUrl: "https://x/client/?hub=h", accessToken: "t" }, stats: STATS };

const json = (status, body, headers) => Response.json(body, { status, headers });
const html = (status) => new Response("<h1>Bad gateway</h1>", { status, headers: { "Content-Type": "text/html" } });
const counted = () => json(200, COUNTED);
const refused = (headers) => json(503, { error: "The table is away.", recorded: "no" }, headers);

/** Replaces fetch: each request gets the next answer. Returns the requests, with KEY in place of the first key. */
function serve(t, ...answers) {
  const requests = [];
  let key;
  t.mock.method(globalThis, "fetch", async (path, { method, credentials }) => {
    key ??= /visit=([^&]+)/.exec(path)?.[1];
    requests.push(`${method} ${path.replace(key, "KEY")}${credentials ? ` credentials: ${credentials}` : ""}`);
    return answers.shift()();
  });
  return requests;
}

process.env.TZ = "Asia/Tokyo";
const SIGN_IN = "POST signin?visit=KEY&visitor=new&zone=Asia%2FTokyo credentials: omit";
const REPEATED = "POST signin?visit=KEY&visitor=new&zone=Asia%2FTokyo&repeated=1 credentials: omit";

/** Signs in without waiting; returns the answers, and the waits in ms by kind. Every wait takes `slower` ms longer. */
async function run({ slower = 0 } = {}) {
  const answers = [];
  const waits = [];
  const settlings = [];
  let now = 1_000_000;
  const record = (list) => async (ms) => {
    list.push(ms);
    now += ms + slower;
  };
  await signIn({
    post: (key, isRepeated) => postSignIn(key, "new", isRepeated),
    onAnswer: (answer) => answers.push(answer),
    wait: record(waits),
    settle: record(settlings),
    delay: (failures) => failures,
    now: () => now,
  });
  return { answers, waits, settlings };
}

const outcomes = (answers) => answers.map(({ recorded }) => recorded);

test("a counted visit returns the endpoint and the statistics", async (t) => {
  const requests = serve(t, counted);
  const { answers } = await run();
  assert.deepEqual(requests, [SIGN_IN]);
  assert.deepEqual(answers, [
    {
      recorded: "yes",
      endpoint: { url: "https://x/client/?hub=h", accessToken: "t" },
      snapshot: {
        total: 3,
        counts: { byOS: { Windows: 3 }, byBrowser: { Chrome: 3 }, byDevice: { Phone: 3 } },
        history: null,
        here: null,
      },
    },
  ]);
});

test("a browser that does not know its time zone signs in without", async (t) => {
  const requests = serve(t, counted);
  t.mock.method(Intl.DateTimeFormat.prototype, "resolvedOptions", () => ({}));
  await run();
  assert.deepEqual(requests, ["POST signin?visit=KEY&visitor=new&zone= credentials: omit"]);
});

test("a visit that was not recorded is posted again until it is", async (t) => {
  const requests = serve(t, refused, refused, counted);
  const { answers } = await run();
  assert.deepEqual(requests, [SIGN_IN, SIGN_IN, SIGN_IN]);
  assert.deepEqual(outcomes(answers), ["no", "no", "yes"]);
  assert.equal(answers[0].error, "The table is away.");
});

test("a retry waits for Retry-After plus the backoff", async (t) => {
  serve(t, () => refused({ "Retry-After": "7" }), () => refused({ "Retry-After": "7" }), counted);
  const { waits } = await run();
  assert.deepEqual(waits, [7_001, 7_002]);
});

test("without Retry-After in seconds, a retry waits for the backoff", async (t) => {
  serve(t, refused, () => refused({ "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT" }), counted);
  const { waits } = await run();
  assert.deepEqual(waits, [1, 2]);
});

const UNKNOWN = {
  "it is unknown whether the visit was recorded": () => json(503, { error: "No answer.", recorded: "unknown" }),
  "the error has no member recorded": () => json(500, { error: "Something broke." }),
  "the error is a gateway's page": () => html(502),
  "the error is empty": () => new Response(null, { status: 500 }),
  "the answer is cut off": () => new Response('{"authInfo":', { status: 200 }),
  "the answer has other members": () => json(200, { ok: true }),
  "the statistics are malformed": () => json(200, { ...COUNTED, stats: { ...STATS, byOS: null } }),
  "the endpoint is malformed": () => json(200, { ...COUNTED, authInfo: null }),
  "the error is not an object": () => json(503, null),
  "the network fails": () => Promise.reject(new TypeError("Failed to fetch")),
  "no answer comes in time": () => Promise.reject(new DOMException("The operation timed out.", "TimeoutError")),
};

for (const [reason, answer] of Object.entries(UNKNOWN)) {
  test(`a visit is repeated, marked, when it is settled if ${reason}`, async (t) => {
    const requests = serve(t, answer, answer, counted);
    const { answers, waits, settlings } = await run();
    assert.deepEqual(requests, [SIGN_IN, REPEATED, REPEATED]);
    assert.deepEqual(answers.slice(0, 2), [{ recorded: "unknown" }, { recorded: "unknown" }]);
    assert.deepEqual(outcomes(answers), ["unknown", "unknown", "yes"]);
    assert.deepEqual(settlings, [SETTLED + 1, SETTLED + 2]);
    assert.deepEqual(waits, []);
  });
}

test("every attempt after an unknown outcome is marked", async (t) => {
  const requests = serve(t, refused, () => html(502), refused, refused, counted);
  const { settlings } = await run();
  assert.deepEqual(requests, [SIGN_IN, SIGN_IN, REPEATED, REPEATED, REPEATED]);
  assert.deepEqual(settlings, [SETTLED + 2]);
});

test("no attempt begins when the app may not find the first one any more", async (t) => {
  const requests = serve(t, refused, ...Array(100).fill(UNKNOWN["the network fails"]));
  const { answers, settlings } = await run();
  const waited = settlings.reduce((sum, ms) => sum + ms, 0);
  assert.ok(waited > REPEATABLE && waited - settlings.at(-1) <= REPEATABLE);
  assert.equal(requests.length, 1 + settlings.length);
  assert.deepEqual(answers.at(-1), { recorded: "unknown" });
});

test("a page that slept for too long does not repeat its visit", async (t) => {
  const requests = serve(t, () => html(502));
  await run({ slower: 3_600_000 });
  assert.deepEqual(requests, [SIGN_IN]);
});

test("the end of the repetitions withdraws the last refusal", async (t) => {
  serve(t, () => html(502), ...Array(100).fill(() => refused({ "Retry-After": "60" })));
  const { answers } = await run();
  assert.deepEqual(outcomes(answers.slice(-2)), ["no", "unknown"]);
});

test("a Retry-After of years does not overflow the timer", async (t) => {
  serve(t, () => refused({ "Retry-After": "1e9" }), counted);
  const { waits } = await run();
  assert.deepEqual(waits, [3_600_001]);
});

test("refusals alone are retried for ever", async (t) => {
  serve(t, ...Array(100).fill(() => refused({ "Retry-After": "60" })), counted);
  const { answers } = await run();
  assert.equal(answers.at(-1).recorded, "yes");
});

test("each visit has a random key of its own", async () => {
  const keys = new Set();
  for (let visits = 0; visits < 10; visits++) {
    const post = async (key) => (keys.add(key), { recorded: "yes" });
    await signIn({ post, onAnswer: () => {} });
  }
  assert.equal(keys.size, 10);
  for (const key of keys) assert.match(key, /^[0-9a-f]{32}$/);
});

test("negotiate and fetchStats use their own routes", async (t) => {
  const endpoint = { url: "https://x/client/?hub=h", accessToken: "t" };
  const requests = serve(
    t,
    () => json(200, endpoint),
    () => json(200, STATS),
  );
  assert.deepEqual(await negotiate(), endpoint);
  assert.deepEqual(await fetchStats(), parseStats(STATS));
  assert.deepEqual(requests, ["POST negotiate", "GET stats"]);
});

test("a failed read reports the app's error, the status, or no answer", async (t) => {
  serve(
    t,
    () => json(503, { error: "The table is away." }),
    () => html(502),
    () => Promise.reject(new TypeError("Failed to fetch")),
  );
  await assert.rejects(fetchStats(), { message: "The table is away." });
  await assert.rejects(fetchStats(), { message: "The app answered with status 502." });
  await assert.rejects(fetchStats(), { message: "The app did not answer." });
});

const REQUEST_TIMEOUT = 60_000; // ms

test("every request is abandoned after a minute without an answer", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(globalThis, "fetch", (path, { signal }) => {
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  const results = [];
  const record = (result) => results.push(result.message ?? result.recorded);
  for (const request of [postSignIn("KEY", "new", false), fetchStats(), negotiate()]) void request.then(record, record);
  t.mock.timers.tick(REQUEST_TIMEOUT - 1);
  await new Promise(setImmediate);
  assert.deepEqual(results, []);
  t.mock.timers.tick(1);
  await new Promise(setImmediate);
  assert.deepEqual(results.toSorted(), ["The app did not answer.", "The app did not answer.", "unknown"]);
});

test("a malformed read names what is malformed", async (t) => {
  serve(
    t,
    () => json(200, { ...STATS, byOS: null }),
    () => html(200),
    () => json(200, { url: 5, accessToken: "t" }),
  );
  await assert.rejects(fetchStats(), { message: "The app sent a malformed byOS." });
  await assert.rejects(fetchStats(), { message: "The app sent a malformed answer." });
  await assert.rejects(negotiate(), { message: "The app sent a malformed url." });
});
