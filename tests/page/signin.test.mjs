import assert from "node:assert/strict";
import { test } from "node:test";

import { fetchStats, negotiate, postSignIn } from "../../content/scripts/api.js";
import { signIn } from "../../content/scripts/signin.js";
import { fromStats } from "../../content/scripts/snapshot.js";

const STATS = { totalNumber: 3, byOS: { Windows: 3 }, byBrowser: { Chrome: 3 }, byDevice: { Phone: 3 } };
const COUNTED = { authInfo: { serviceUrl: "https://x/client/?hub=h", accessToken: "t" }, stats: STATS };

const json = (status, body, headers) => Response.json(body, { status, headers });
const html = (status) => new Response("<h1>Bad gateway</h1>", { status, headers: { "Content-Type": "text/html" } });
const counted = () => json(200, COUNTED);
const refused = (headers) => json(503, { error: "The table is away.", recorded: "no" }, headers);

/** Replaces fetch: each request gets the next answer. Returns the requests. */
function serve(t, ...answers) {
  const requests = [];
  t.mock.method(globalThis, "fetch", async (path, { method }) => {
    requests.push(`${method} ${path}`);
    return answers.shift()();
  });
  return requests;
}

/** Signs in without waiting; returns the answers and the waits in ms. */
async function run() {
  const answers = [];
  const waits = [];
  await signIn({
    post: postSignIn,
    onAnswer: (answer) => answers.push(answer),
    wait: async (ms) => waits.push(ms),
    delay: (failures) => failures,
  });
  return { answers, waits };
}

test("a counted visit returns the endpoint and the statistics", async (t) => {
  const requests = serve(t, counted);
  const { answers } = await run();
  assert.deepEqual(requests, ["POST signin"]);
  assert.deepEqual(answers, [
    {
      recorded: "yes",
      endpoint: { url: "https://x/client/?hub=h", accessToken: "t" },
      snapshot: { total: 3, byOS: { Windows: 3 }, byBrowser: { Chrome: 3 }, byDevice: { Phone: 3 }, history: null },
    },
  ]);
});

test("a visit that was not recorded is posted again until it is", async (t) => {
  const requests = serve(t, refused, refused, counted);
  const { answers } = await run();
  assert.equal(requests.length, 3);
  assert.deepEqual(
    answers.map(({ recorded }) => recorded),
    ["no", "no", "yes"],
  );
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

const NOT_RETRIED = {
  "it is unknown whether the visit was recorded": () => json(503, { error: "No answer.", recorded: "unknown" }),
  "the error has no member recorded": () => json(500, { error: "Something broke." }),
  "the error is a gateway's page": () => html(502),
  "the error is empty": () => new Response(null, { status: 500 }),
  "the answer is cut off": () => new Response('{"authInfo":', { status: 200 }),
  "the answer has other members": () => json(200, { ok: true }),
  "the network fails": () => Promise.reject(new TypeError("Failed to fetch")),
  "no answer comes in time": () => Promise.reject(new DOMException("The operation timed out.", "TimeoutError")),
};

for (const [reason, answer] of Object.entries(NOT_RETRIED)) {
  test(`a visit is not posted again if ${reason}`, async (t) => {
    const requests = serve(t, answer);
    const { answers } = await run();
    assert.deepEqual(requests, ["POST signin"]);
    assert.deepEqual(answers, [{ recorded: "unknown" }]);
  });
}

test("an unknown outcome after a refusal ends the retries", async (t) => {
  const requests = serve(t, refused, () => html(502));
  await run();
  assert.equal(requests.length, 2);
});

test("negotiate and fetchStats use their own routes", async (t) => {
  const endpoint = { url: "https://x/client/?hub=h", accessToken: "t" };
  const requests = serve(
    t,
    () => json(200, endpoint),
    () => json(200, STATS),
  );
  assert.deepEqual(await negotiate(), endpoint);
  assert.deepEqual(await fetchStats(), fromStats(STATS));
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
