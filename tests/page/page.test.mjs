import assert from "node:assert/strict";
import { test } from "node:test";

import { startPage } from "../../content/scripts/page.js";
import { TransportError, Transports } from "../../content/scripts/transports.js";
import { Memory } from "../../content/scripts/visitor.js";
import { parseUpdate } from "../../content/scripts/wire.js";

const START = Date.parse("2026-11-23T11:35:20Z");
const REREAD = 270_000; // ms, by the random number 0.5
const LONGEST_BACKOFF = 30_000; // ms

const statsOf = (totalNumber) => ({
  totalNumber,
  byOS: { Windows: totalNumber },
  byBrowser: { Chrome: totalNumber },
  history: Object.fromEntries(
    ["minutes", "hours", "days"].map((range) => [range, { start: "2026-11-23T11:34:00Z", counts: [0, totalNumber] }]),
  ),
});
const signedIn = (total, accessToken = "of-sign-in") => ({
  authInfo: { serviceUrl: "https://x/client/?hub=h", accessToken },
  stats: statsOf(total),
});
const NEGOTIATED = { url: "https://x/client/?hub=h", accessToken: "negotiated" };

/** Resolves when all pending promises have run. */
const settled = () => new Promise(setImmediate);

/**
 * A page with mocked time. The test answers its requests: `answers` has a list for each path, and the last answer of a
 * list is repeated. An answer is a body, a Response, or a promise, for example NEVER.
 */
async function open(t, answers = {}, { random = 0.5, stored = new Map(), isVisit = true, isWall = false, visibilityState = "visible" } = {}) {
  let time = 0;
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: START });
  t.mock.method(performance, "now", () => time);
  t.mock.method(Math, "random", () => random);

  const page = {
    requests: [],
    visitors: [],
    slots: [],
    left: [],
    counted: 0,
    hubs: [],
    shown: [],
    news: [],
    milestones: [],
    states: [],
    problem: null,
    answers: { signin: [signedIn(1)], stats: [statsOf(1)], negotiate: [NEGOTIATED], ...answers },
    window: new EventTarget(),
    document: Object.assign(new EventTarget(), { visibilityState }),
    navigator: { onLine: true },
    tryNowButton: new EventTarget(),
    count: (path) => page.requests.filter((request) => request === path).length,
    get hub() {
      return page.hubs.at(-1);
    },
    async pass(ms) {
      time += ms;
      t.mock.timers.tick(ms);
      await settled();
    },
    async dispatch(target, type) {
      target.dispatchEvent(new Event(type));
      await settled();
    },
  };

  t.mock.method(globalThis, "fetch", async (address) => {
    const [path, query] = address.split("?");
    page.requests.push(path);
    const parameters = new URLSearchParams(query);
    if (parameters.has("visitor")) page.visitors.push(parameters.get("visitor"));
    if (path !== "negotiate") page.slots.push(parameters.get("here"));
    const list = page.answers[path];
    const answer = await (list.length > 1 ? list.shift() : list[0]);
    return answer instanceof Response ? answer : Response.json(answer);
  });

  function openHub(endpoint, transport, onSnapshot) {
    const started = Promise.withResolvers();
    const closed = Promise.withResolvers();
    page.hubs.push({
      endpoint,
      transport,
      succeed: () => (started.resolve(), settled()),
      fail: (error = new Error("refused")) => (started.reject(error), settled()),
      send: (total) => (onSnapshot(parseUpdate([total, { Windows: total }, { Chrome: total }])), settled()),
    });
    return { start: () => started.promise, stop: async () => closed.resolve(), closed: closed.promise };
  }

  const view = {
    announce() {},
    showCounted: () => page.counted++,
    showMilestone: (milestone) => page.milestones.push(milestone),
    showNews: (news) => page.news.push(news),
    showProblem: (problem) => (page.problem = problem),
    showSnapshot: (snapshot) => page.shown.push(snapshot),
    showState: (state) => page.states.at(-1) !== state && page.states.push(state),
    tryNowButton: page.tryNowButton,
  };
  const storage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) };
  const memory = isVisit ? new Memory(() => storage, "/") : null;
  const transports = new Transports(() => null);
  const { window, document, navigator } = page;
  globalThis.navigator.sendBeacon = (address) => page.left.push(address);
  t.after(() => delete globalThis.navigator.sendBeacon);
  void startPage({ view, openHub, transports, memory, isWall, window, document, navigator });
  await settled();
  return page;
}

const NEVER = new Promise(() => {});
const refusal = () => Response.json({ error: "away", recorded: "no" }, { status: 503 });
const totals = ({ shown }) => shown.map(({ total }) => total).filter((total, index, all) => total !== all[index - 1]);
const newest = ({ shown }) => shown.at(-1).history.series.minutes.counts;

// The sign-in

test("a page that signs in makes one request and one connection", async (t) => {
  const page = await open(t);
  assert.deepEqual(page.requests, ["signin"]);
  assert.deepEqual(totals(page), [1]);
  assert.deepEqual(
    page.hubs.map(({ endpoint }) => endpoint.accessToken),
    ["of-sign-in"],
  );
});

test("a sign-in that hangs shows the statistics after two seconds, live", async (t) => {
  const page = await open(t, { signin: [NEVER], stats: [statsOf(7)] });
  await page.pass(1_999);
  assert.deepEqual(page.requests, ["signin"]);
  await page.pass(1);
  assert.deepEqual(totals(page), [7]);
  assert.equal(page.problem, null);
  await page.hub.succeed();
  await page.hub.send(8);
  assert.deepEqual(totals(page), [7, 8]);
  assert.deepEqual(page.states, ["connecting", "live"]);
  assert.equal(page.hub.endpoint.accessToken, "negotiated");
});

for (const [answer, expected] of [
  [9, [7, 9]],
  [5, [7]],
]) {
  test(`the late answer ${answer} of a sign-in leaves one connection and no smaller number`, async (t) => {
    const signin = Promise.withResolvers();
    const page = await open(t, { signin: [signin.promise], stats: [statsOf(7)] });
    await page.pass(2_000);
    await page.hub.succeed();
    signin.resolve(signedIn(answer));
    await settled();
    assert.deepEqual(totals(page), expected);
    assert.equal(page.hubs.length, 1);
    assert.equal(page.count("signin"), 1);
    assert.deepEqual(page.states, ["connecting", "live"]);
  });
}

test("a sign-in that answers in time causes no read", async (t) => {
  const page = await open(t);
  await page.pass(2_000);
  assert.equal(page.count("stats"), 0);
});

test("several answers of the sign-in open one connection", async (t) => {
  const page = await open(t, { signin: [refusal(), refusal(), signedIn(2)] });
  assert.match(page.problem.headline, /not counted yet/);
  await page.pass(LONGEST_BACKOFF);
  await page.pass(LONGEST_BACKOFF);
  assert.equal(page.count("signin"), 3);
  assert.equal(page.problem, null);
  assert.equal(page.hubs.length, 1);
  assert.equal(page.count("negotiate"), 1);
});

test("a prerendered page does nothing until it is shown", async (t) => {
  const document = Object.assign(new EventTarget(), { visibilityState: "hidden", prerendering: true });
  const requests = t.mock.method(globalThis, "fetch", async () => NEVER);
  const view = { tryNowButton: new EventTarget() };
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const memory = { visitor: "new", remember() {} };
  void startPage({ view, memory, document, window: new EventTarget(), navigator: { onLine: true } });
  t.mock.timers.tick(REREAD * 2);
  await settled();
  assert.equal(requests.mock.callCount(), 0);
  document.dispatchEvent(new Event("prerenderingchange"));
  await settled();
  assert.equal(requests.mock.callCount(), 1);
});

// Visitors

test("a visitor is new until a visit was counted", async (t) => {
  const stored = new Map();
  const first = await open(t, {}, { stored });
  assert.deepEqual([first.visitors, first.counted, stored.size], [["new"], 1, 1]);
  t.mock.reset();
  const second = await open(t, {}, { stored });
  assert.deepEqual([second.visitors, second.counted, stored.size], [["returning"], 1, 1]);
});

const NOT_COUNTED = {
  "hangs": () => NEVER,
  "is refused": refusal,
  "has an unknown outcome": () => Response.json({}, { status: 500 }),
  "is to the app no visit": () => ({ ...signedIn(1), recorded: "no" }),
};

for (const [reason, answer] of Object.entries(NOT_COUNTED)) {
  test(`a visitor is still new if the sign-in ${reason}`, async (t) => {
    const stored = new Map();
    const page = await open(t, { signin: [answer()] }, { stored });
    assert.deepEqual([page.visitors, page.counted, stored.size], [["new"], 0, 0]);
  });
}

test("all attempts at a visit send the same visitor", async (t) => {
  const stored = new Map();
  const page = await open(t, { signin: [refusal(), refusal(), signedIn(1)] }, { stored });
  stored.set("visit /", "counted"); // by another tab meanwhile
  await page.pass(LONGEST_BACKOFF);
  await page.pass(LONGEST_BACKOFF);
  assert.deepEqual([page.visitors, page.counted], [["new", "new", "new"], 1]);
});

test("a visit that the app does not count is live and not repeated", async (t) => {
  const page = await open(t, { signin: [{ ...signedIn(5), recorded: "no" }] });
  await page.hub.succeed();
  await page.hub.send(6);
  await page.pass(120_000);
  assert.deepEqual(totals(page), [5, 6]);
  assert.deepEqual([page.count("signin"), page.problem], [1, null]);
  assert.equal(page.hub.endpoint.accessToken, "of-sign-in");
});

test("a load that is no visit reads and listens, and remembers nothing", async (t) => {
  const stored = new Map();
  const page = await open(t, { stats: [statsOf(7)] }, { stored, isVisit: false });
  assert.deepEqual(totals(page), [7]);
  await page.hub.succeed();
  await page.hub.send(8);
  await page.pass(REREAD);
  await page.dispatch(page.window, "pageshow");
  assert.deepEqual(totals(page), [7, 8]);
  assert.deepEqual([page.count("signin"), page.counted, stored.size, page.hubs.length], [0, 0, 0, 1]);
  assert.equal(page.hub.endpoint.accessToken, "negotiated");
});

// The last visit

const visitAge = ({ news }) => news.at(-1).visitAge;

/** Statistics whose last visit was so many minutes ago. */
const statsFrom = (total, minutesAgo) => {
  const stats = statsOf(total);
  stats.history.minutes.counts = [total, ...Array(minutesAgo).fill(0)];
  return stats;
};

test("the age of the last visit is updated every five seconds, and zero after each visit", async (t) => {
  const page = await open(t);
  await page.hub.succeed();
  assert.equal(visitAge(page), 0);
  await page.pass(5_000);
  await page.pass(5_000);
  assert.deepEqual(page.news.slice(-2).map((news) => news.visitAge), [5_000, 10_000]);
  await page.hub.send(2);
  assert.equal(visitAge(page), 0);
  await page.pass(5_000);
  assert.equal(visitAge(page), 5_000);
});

test("an update without new visits is news, and no visit", async (t) => {
  const page = await open(t);
  await page.hub.succeed();
  await page.pass(5_000);
  await page.hub.send(1);
  await page.pass(5_000);
  assert.deepEqual([page.news.at(-1).updateAge, visitAge(page)], [5_000, 10_000]);
});

test("a wall takes the age of the last visit out of the history", async (t) => {
  const page = await open(t, { stats: [statsFrom(7, 12)] }, { isVisit: false });
  assert.equal(visitAge(page), 12 * 60_000);
  await page.hub.succeed();
  await page.pass(5_000);
  assert.equal(visitAge(page), 12 * 60_000 + 5_000);
});

test("a visit that is not the page's own is as old as in the history", async (t) => {
  const page = await open(t, { signin: [{ ...signedIn(7), stats: statsFrom(7, 3), recorded: "no" }] });
  assert.equal(visitAge(page), 3 * 60_000);
});

test("without a history, only visits that the page saw have an age", async (t) => {
  const plain = { ...statsOf(7), history: undefined };
  const visitor = await open(t, { signin: [{ ...signedIn(7), stats: plain }] });
  assert.equal(visitAge(visitor), 0);
  t.mock.reset();
  const wall = await open(t, { stats: [plain] }, { isVisit: false });
  assert.equal(visitAge(wall), null);
});

test("a page that slept finds out by reading when the last visit was", async (t) => {
  const page = await open(t, { stats: [statsOf(1), statsFrom(9, 1)] });
  await page.hub.succeed();
  page.document.visibilityState = "hidden";
  await page.pass(8 * 3_600_000);
  page.document.visibilityState = "visible";
  await page.dispatch(page.document, "visibilitychange");
  assert.equal(visitAge(page), 60_000);
});

test("a page without visits knows that there are none", async (t) => {
  const page = await open(t, { stats: [statsOf(0)] }, { isVisit: false });
  assert.deepEqual([page.news.at(-1).total, visitAge(page)], [0, null]);
});

test("a page is up to date while it is live", async (t) => {
  const page = await open(t);
  assert.equal(page.news.at(-1).isLive, false);
  await page.hub.succeed();
  assert.equal(page.news.at(-1).isLive, true);
  page.navigator.onLine = false;
  await page.dispatch(page.window, "offline");
  assert.equal(page.news.at(-1).isLive, false);
});

// Milestones

test("an update that jumps over a milestone is celebrated once", async (t) => {
  const page = await open(t, { signin: [signedIn(97)], stats: [statsOf(97)] });
  await page.hub.succeed();
  assert.deepEqual(page.milestones, []);
  await page.hub.send(112);
  await page.hub.send(112);
  await page.hub.send(97);
  await page.hub.send(113);
  assert.deepEqual(page.milestones, [100]);
  await page.hub.send(10_001);
  assert.deepEqual(page.milestones, [100, 10_000]);
});

for (const [total, milestones] of [
  [999, []],
  [1_000, [1_000]],
  [1_001, []],
]) {
  test(`the visitor whose own visit is number ${total} sees ${milestones.length} milestones`, async (t) => {
    const page = await open(t, { signin: [signedIn(total)], stats: [statsOf(total)] });
    await page.hub.succeed();
    await page.hub.send(total);
    assert.deepEqual(page.milestones, milestones);
  });
}

test("a page that is opened at a milestone celebrates nothing", async (t) => {
  const wall = await open(t, { stats: [statsOf(1_000)] }, { isVisit: false });
  await wall.hub.succeed();
  assert.deepEqual(wall.milestones, []);
  t.mock.reset();
  const bot = await open(t, { signin: [{ ...signedIn(1_000), recorded: "no" }] });
  assert.deepEqual(bot.milestones, []);
});

test("a milestone that only a reading shows is celebrated", async (t) => {
  const page = await open(t, { signin: [signedIn(97)], stats: [statsOf(97), statsOf(104)] });
  await page.hub.succeed();
  await page.pass(REREAD);
  assert.deepEqual(page.milestones, [100]);
});

test("a hidden page celebrates when it is shown, only the largest milestone", async (t) => {
  const page = await open(t, { signin: [signedIn(97)], stats: [statsOf(97)] });
  await page.hub.succeed();
  page.document.visibilityState = "hidden";
  await page.hub.send(100);
  await page.hub.send(1_000);
  assert.deepEqual(page.milestones, []);
  page.document.visibilityState = "visible";
  await page.dispatch(page.document, "visibilitychange");
  await page.dispatch(page.document, "visibilitychange");
  assert.deepEqual(page.milestones, [1_000]);
});

// The chart and the reads

test("the chart advances without updates", async (t) => {
  const page = await open(t);
  assert.deepEqual(newest(page), [0, 1]);
  await page.pass(40_000);
  assert.deepEqual(newest(page), [1, 0]);
});

test("a visible page reads the statistics again every five minutes", async (t) => {
  const page = await open(t, { stats: [statsOf(1), statsOf(6)] });
  await page.hub.succeed();
  assert.equal(page.count("stats"), 1);
  await page.pass(REREAD - 1);
  assert.equal(page.count("stats"), 1);
  await page.pass(1);
  assert.deepEqual(totals(page), [1, 6]);
  page.document.visibilityState = "hidden";
  await page.pass(REREAD);
  assert.equal(page.count("stats"), 2);
});

for (const [random, interval] of [
  [0, 240_000],
  [0.5, 270_000],
  [1, 300_000],
]) {
  test(`the interval of the reads is random: ${interval / 1_000} s`, async (t) => {
    const page = await open(t, {}, { random });
    await page.hub.succeed();
    await page.pass(interval - 1);
    assert.equal(page.count("stats"), 1);
    await page.pass(1);
    assert.equal(page.count("stats"), 2);
  });
}

// Open pages

/** Statistics with `here`, as the app answers a page: each answer has the next slot. */
const answersOf = (seconds) => {
  let slots = 0;
  const here = (more) => ({ now: 1, seconds, slot: `slot-${++slots}`, ...more });
  const answer = (body, more) => ({ ...body, here: here(more) });
  return {
    signin: (more) => ({ ...signedIn(1), stats: answer(statsOf(1), more) }),
    stats: (more) => answer(statsOf(1), more),
  };
};

test("a page reports with the sign-in and each read that it is open", async (t) => {
  const { signin, stats } = answersOf(300);
  const page = await open(t, { signin: [signin()], stats: [stats(), stats(), stats()] });
  assert.equal(page.shown.at(-1).here.now, 1);
  await page.hub.succeed();
  await page.pass(REREAD);
  assert.deepEqual(page.slots, ["new", "slot-1", "slot-2"]);
});

test("the app chooses the interval of the reads", async (t) => {
  const { signin, stats } = answersOf(30);
  const page = await open(t, { signin: [signin()], stats: [stats()] });
  await page.pass(26_999);
  assert.equal(page.count("stats"), 0);
  await page.pass(1);
  assert.equal(page.count("stats"), 1);
  page.answers.stats = [stats({ seconds: 60 })];
  await page.pass(27_000);
  await page.pass(53_999);
  assert.equal(page.count("stats"), 2);
  await page.pass(1);
  assert.equal(page.count("stats"), 3);
});

const LEAVING = {
  "is hidden": async (page) => {
    page.document.visibilityState = "hidden";
    await page.dispatch(page.document, "visibilitychange");
  },
  "is closed": (page) => page.dispatch(page.window, "pagehide"),
};

for (const [reason, leave] of Object.entries(LEAVING)) {
  test(`a page that ${reason} reports that it is left`, async (t) => {
    const { signin, stats } = answersOf(300);
    const page = await open(t, { signin: [signin()], stats: [stats()] });
    await leave(page);
    assert.deepEqual(page.left, ["leave?here=slot-1"]);
    await page.dispatch(page.window, "pagehide");
    assert.equal(page.left.length, 1);
    page.document.visibilityState = "visible";
    await page.dispatch(page.document, "visibilitychange");
    assert.deepEqual(page.slots, ["new", "new"]);
  });
}

test("a hidden page is not reported until it is shown", async (t) => {
  const { signin, stats } = answersOf(300);
  const page = await open(t, { signin: [signin()], stats: [stats()] }, { visibilityState: "hidden" });
  await page.hub.succeed();
  await page.dispatch(page.window, "pagehide");
  assert.deepEqual([page.slots, page.left], [[null, null], []]);
  page.document.visibilityState = "visible";
  await page.dispatch(page.document, "visibilitychange");
  assert.deepEqual(page.slots, [null, null, "new"]);
});

test("a wall shows the open pages and is none", async (t) => {
  const { stats } = answersOf(300);
  const page = await open(t, { stats: [stats({ slot: undefined })] }, { isVisit: false, isWall: true });
  await page.pass(REREAD);
  await page.dispatch(page.window, "pagehide");
  assert.equal(page.shown.at(-1).here.now, 1);
  assert.deepEqual([page.slots, page.left], [[null, null], []]);
});

test("a page that was loaded by Back is open", async (t) => {
  const { stats } = answersOf(300);
  const page = await open(t, { stats: [stats(), stats()] }, { isVisit: false });
  await page.pass(REREAD);
  assert.deepEqual(page.slots, ["new", "slot-1"]);
});

test("a sign-in that hangs and the reads meanwhile report one page", async (t) => {
  const { stats } = answersOf(300);
  const page = await open(t, { signin: [NEVER], stats: [stats()] });
  await page.pass(2_000);
  assert.deepEqual(page.slots, ["new", null]);
});

test("a page that is shown again reads the statistics", async (t) => {
  const page = await open(t, { stats: [statsOf(1), statsOf(4)] });
  await page.hub.succeed();
  page.document.visibilityState = "hidden";
  await page.dispatch(page.document, "visibilitychange");
  assert.equal(page.count("stats"), 1);
  page.document.visibilityState = "visible";
  await page.dispatch(page.document, "visibilitychange");
  assert.deepEqual(totals(page), [1, 4]);
});

// The connection

const WAKERS = {
  "the network is back": (page) => page.dispatch(page.window, "online"),
  "the page is restored": (page) => page.dispatch(page.window, "pageshow"),
  "the page is shown": (page) => page.dispatch(page.document, "visibilitychange"),
  "the visitor tries now": (page) => page.dispatch(page.tryNowButton, "click"),
};

for (const [reason, wake] of Object.entries(WAKERS)) {
  test(`a page connects at once if ${reason}`, async (t) => {
    const page = await open(t);
    await page.hub.fail();
    assert.equal(page.hubs.length, 1);
    await wake(page);
    assert.equal(page.hubs.length, 2);
  });
}

const LOSSES = { offline: "the network is lost", pagehide: "the page is left" };

for (const [event, reason] of Object.entries(LOSSES)) {
  test(`a page drops its connection if ${reason}`, async (t) => {
    const page = await open(t);
    await page.hub.succeed();
    await page.dispatch(page.window, event);
    assert.equal(page.states.at(-1), "reconnecting");
    await page.dispatch(page.window, "online");
    await page.hub.succeed();
    assert.equal(page.states.at(-1), "live");
  });
}

/** A page that is live by long polling, because the other transports have failed. */
async function openPolling(t, answers) {
  const page = await open(t, answers);
  for (const transport of ["WebSockets", "ServerSentEvents"]) {
    assert.equal(page.hub.transport, transport);
    await page.hub.fail(new TransportError("refused"));
  }
  assert.equal(page.hub.transport, "LongPolling");
  await page.hub.succeed();
  return page;
}

test("a page whose network changes begins with WebSockets again", async (t) => {
  const page = await openPolling(t);
  await page.dispatch(page.window, "offline");
  await page.dispatch(page.window, "online");
  assert.equal(page.hub.transport, "WebSockets");
});

test("a page that reads visits without receiving them tries another transport", async (t) => {
  const page = await openPolling(t, { stats: [statsOf(1), statsOf(1), statsOf(2)] });
  assert.equal(page.states.at(-1), "live");
  await page.pass(30_000);
  assert.equal(page.states.at(-1), "reconnecting");
  await page.pass(LONGEST_BACKOFF);
  assert.equal(page.hub.transport, "WebSockets");
});

for (const [what, read, deliver] of [
  ["receives the visits that it has read", 2, (page) => page.hub.send(2)],
  ["reads no visits", 1, () => {}],
]) {
  test(`a page that ${what} stays connected`, async (t) => {
    const page = await openPolling(t, { stats: [statsOf(1), statsOf(1), statsOf(read)] });
    await deliver(page);
    await page.pass(30_000);
    assert.equal(page.states.at(-1), "live");
  });
}

// Malformed answers

const MALFORMED = {
  null: null,
  "a text": "<h1>Welcome</h1>",
  "an empty object": {},
  "no systems": { ...statsOf(9), byOS: null },
  "an impossible total": { ...statsOf(9), totalNumber: 1e30 },
  "no chart": { ...statsOf(9), history: { minutes: null } },
};

for (const [name, body] of Object.entries(MALFORMED)) {
  test(`malformed answers stop neither connection nor tick: ${name}`, async (t) => {
    const page = await open(t, { signin: [{ ...signedIn(9), stats: body }], stats: [body], negotiate: [body] });
    assert.deepEqual(page.shown, []);
    assert.match(page.problem.detail, /^The app sent a malformed /);
    for (let second = 0; second < 10; second++) await page.pass(1_000);
    assert.ok(page.count("negotiate") > 1);
    assert.equal(page.hubs.length, 0);

    Object.assign(page.answers, { stats: [statsOf(3)], negotiate: [NEGOTIATED] });
    await page.pass(LONGEST_BACKOFF);
    await page.hub.succeed();
    assert.deepEqual(totals(page), [3]);
    assert.equal(page.problem, null);
    assert.equal(page.states.at(-1), "live");

    page.answers.stats = [body];
    await page.dispatch(page.document, "visibilitychange");
    const shown = page.shown.length;
    await page.pass(5_000);
    assert.ok(page.shown.length > shown, "the page does not tick");
    assert.equal(page.news.at(-1).updateAge, 5_000);
    await page.hub.send(4);
    assert.deepEqual(totals(page), [3, 4]);
  });
}
