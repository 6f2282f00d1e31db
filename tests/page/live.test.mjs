import assert from "node:assert/strict";
import { test } from "node:test";

import { REPEATABLE, SETTLED } from "../../content/scripts/signin.js";

const APP = "https://app.example/keynote/";
const END = "\u001e";
const LONGEST_PAUSE = 60_000; // ms

const statsOf = (totalNumber, New = 1, more = {}) => ({ totalNumber, byVisitor: { New, Returning: 5 }, ...more });
const signedIn = (totalNumber) => ({ authInfo: {}, stats: statsOf(totalNumber) });
const NEGOTIATED = { url: "https://signalr.example/client/?hub=h", accessToken: "a+b" };
const NEVER = new Promise(() => {});
const refusal = () => Response.json({ error: "away", recorded: "no" }, { status: 503 });
const unknown = () => Response.json({ error: "away", recorded: "unknown" }, { status: 503 });
const forbidden = () => {
  throw new DOMException("The operation is insecure.", "SecurityError");
};

/** Resolves when all pending promises have run. */
const settled = () => new Promise(setImmediate);

class FakeElement {
  writes = 0;
  #text = "many";

  get textContent() {
    return this.#text;
  }

  set textContent(text) {
    this.writes++;
    this.#text = text;
  }

  getAttribute(name) {
    return this.attributes[name] ?? null;
  }

  hasAttribute(name) {
    return name in this.attributes;
  }

  closest() {
    return this.lang === undefined ? null : { lang: this.lang };
  }
}

class FakeSocket {
  sent = [];
  isClosed = false;

  constructor(sockets, url) {
    this.url = url;
    sockets.push(this);
  }

  send(text) {
    assert.ok(text.endsWith(END));
    this.sent.push(JSON.parse(text.slice(0, -1)));
  }

  close() {
    this.isClosed = true;
  }

  /** Receives a frame. */
  async receive(data) {
    this.onmessage({ data });
    await settled();
  }

  async open() {
    this.onopen();
    await this.receive(`{}${END}`);
  }

  async update(...update) {
    await this.receive(`${JSON.stringify({ type: 1, target: "updateSignInStats", arguments: update })}${END}`);
  }
}

const updateOf = (total, people = 1, more = {}) => [total, {}, {}, { byVisitor: { New: people }, ...more }];

let loads = 0;

/**
 * A page of another origin with the elements, whose attributes are given, and the script. The test answers its requests:
 * `answers` has a list for each path, and the last answer of a list is repeated.
 */
async function open(t, elements, { answers = {}, stored = {}, storage, navigation = 0, ...ofDocument } = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: Date.parse("2026-11-23T11:35:20Z") });
  t.mock.method(Math, "random", () => 0);

  const page = {
    requests: [],
    sockets: [],
    elements: [],
    stored,
    answers: { signin: [signedIn(8)], stats: [statsOf(7)], negotiate: [NEGOTIATED], ...answers },
    window: new EventTarget(),
    document: { currentScript: { src: `${APP}live.js?v=1/2` }, readyState: "complete", hidden: false, ...ofDocument },
    get socket() {
      return page.sockets.at(-1);
    },
    get texts() {
      return page.elements.map(({ textContent }) => textContent);
    },
    get signIns() {
      return page.requests.filter((request) => request.startsWith("POST signin"));
    },
    add(attributes = {}) {
      const element = page.defined ? new page.defined() : new FakeElement();
      Object.assign(element, { attributes, lang: attributes.lang });
      page.elements.push(element);
      if (page.defined) element.connectedCallback();
      return element;
    },
    async pass(ms) {
      t.mock.timers.tick(ms);
      await settled();
    },
    async dispatch(type) {
      page.window.dispatchEvent(new Event(type));
      await settled();
    },
    async load() {
      await import(`../../content/live.js?${++loads}`);
      await settled();
    },
  };
  page.document.documentElement ??= { lang: "en" };
  for (const attributes of elements) page.add(attributes);

  const globals = {
    document: page.document,
    HTMLElement: FakeElement,
    addEventListener: page.window.addEventListener.bind(page.window),
    customElements: {
      get: () => page.defined,
      define(name, type) {
        assert.equal(name, "live-count");
        if (page.defined) throw new DOMException("defined", "NotSupportedError");
        page.defined = type;
        for (const element of page.elements) Object.setPrototypeOf(element, type.prototype).connectedCallback();
      },
    },
    WebSocket: FakeSocket.bind(null, page.sockets),
  };
  const before = [...Object.keys(globals), "localStorage"].map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, "localStorage", { get: storage ?? (() => page.stored), configurable: true });
  Object.defineProperty(performance, "navigation", { value: { type: navigation }, configurable: true });
  t.after(() => {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else delete globalThis[name];
    }
  });

  t.mock.method(globalThis, "fetch", (address, { method, credentials, signal, headers }) => {
    assert.ok(address.startsWith(APP), address);
    assert.equal(credentials, "omit");
    assert.equal(headers, undefined);
    const path = address.slice(APP.length);
    page.requests.push(`${method} ${path}`);
    const list = page.answers[path.split("?")[0]];
    const answer = list.length > 1 ? list.shift() : list[0];
    const aborted = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const answered = Promise.resolve(typeof answer === "function" ? answer() : answer).then((value) =>
      value instanceof Response ? value : Response.json(value),
    );
    return Promise.race([answered, aborted]);
  });
  await page.load();
  return page;
}

/** Passes time until one more request for a path is sent; returns the time in ms, to the second. */
async function timeUntil(page, path) {
  const count = () => page.requests.filter((request) => request.split(/[ ?]/)[1] === path).length;
  const before = count();
  let ms = 0;
  await settled();
  for (; count() === before && ms < 1_000_000; ms += 1_000) await page.pass(1_000);
  return ms;
}

/** Passes nine minutes, after which no visit is sent again. */
async function passAllAttempts(page) {
  for (let ms = 0; ms < REPEATABLE + LONGEST_PAUSE; ms += 5_000) await page.pass(5_000);
}

// The numbers

test("an element shows the number, and then each update", async (t) => {
  const page = await open(t, [{}]);
  assert.deepEqual(page.requests, ["GET stats", "POST negotiate"]);
  assert.deepEqual(page.texts, ["7"]);
  assert.equal(page.socket.url, "wss://signalr.example/client/?hub=h&access_token=a%2Bb");
  page.answers.stats = [statsOf(8)];
  await page.socket.open();
  assert.deepEqual(page.requests, ["GET stats", "POST negotiate", "GET stats"], "an update may have been missed");
  assert.deepEqual(page.texts, ["8"]);
  await page.socket.update(...updateOf(1234));
  assert.deepEqual(page.texts, ["1,234"]);
});

test("all elements share one connection, and each shows its number", async (t) => {
  const here = { now: 3, slot: 5, seconds: 300 };
  const page = await open(t, [{}, { show: "people" }, { show: "here" }, {}], {
    answers: { stats: [statsOf(7, 4, { here })] },
  });
  await page.socket.open();
  assert.deepEqual(page.texts, ["7", "4", "3", "7"]);
  await page.socket.update(...updateOf(9, 5, { here: 2 }));
  assert.deepEqual(page.texts, ["9", "5", "2", "9"]);
  page.add({ show: "people" });
  assert.deepEqual(page.texts, ["9", "5", "2", "9", "5"]);
  assert.equal(page.sockets.length, 1);
});

test("the numbers of visits and people never become smaller", async (t) => {
  const page = await open(t, [{}, { show: "people" }], { answers: { stats: [statsOf(7, 4)] } });
  await page.socket.open();
  await page.socket.update(...updateOf(6, 5));
  assert.deepEqual(page.texts, ["7", "5"]);
  await page.socket.update(...updateOf(9, 3));
  assert.deepEqual(page.texts, ["9", "5"]);
});

test("an app that does not count open pages leaves the text in place of their number", async (t) => {
  const page = await open(t, [{ show: "here" }]);
  await page.socket.open();
  await page.socket.update(...updateOf(8));
  assert.deepEqual(page.texts, ["many"]);
});

test("without new visitors there are no people", async (t) => {
  const page = await open(t, [{ show: "people" }], {
    answers: { stats: [{ totalNumber: 2, byVisitor: { Returning: 2 } }] },
  });
  assert.deepEqual(page.texts, ["0"]);
});

const MALFORMED = {
  "no object": 5,
  nothing: null,
  "no number": { byVisitor: {} },
  "a text": statsOf("9"),
  "a fraction": statsOf(9.5),
  "more than is exact": statsOf(2 ** 53),
  "people as a text": statsOf(9, "4"),
  "no visitors": { totalNumber: 9 },
  "visitors that are null": { totalNumber: 9, byVisitor: null },
  "pages as a text": statsOf(9, 4, { here: "3" }),
  "pages without a number": statsOf(9, 4, { here: {} }),
};

for (const [kind, stats] of Object.entries(MALFORMED)) {
  test(`a response with ${kind} is ignored`, async (t) => {
    const page = await open(t, [{}], { answers: { stats: [stats, statsOf(7)] } });
    assert.deepEqual([page.texts, page.requests], [["many"], ["GET stats"]]);
    await page.pass(LONGEST_PAUSE);
    assert.deepEqual(page.texts, ["7"], "the next attempt succeeds");
  });

  test(`an update with ${kind} is ignored`, async (t) => {
    const page = await open(t, [{}, { show: "people" }]);
    await page.socket.open();
    await page.socket.update(...(stats && typeof stats === "object" ? [stats.totalNumber, {}, {}, stats] : [stats]));
    assert.deepEqual(page.texts, ["7", "1"]);
    await page.socket.update(...updateOf(8));
    assert.deepEqual([page.texts, page.sockets.length], [["8", "1"], 1], "the connection goes on");
  });
}

test("a text that stays the same is not written again", async (t) => {
  const page = await open(t, [{}]);
  await page.socket.open();
  await page.socket.update(...updateOf(7));
  assert.equal(page.elements[0].writes, 1);
});

// The language

for (const [lang, ofPage, expected] of [
  ["de", "en", "1.234"],
  ["ar-EG", "en", "\u0661\u066c\u0662\u0663\u0664"],
  [undefined, "de", "1.234"],
  [undefined, "", (1234).toLocaleString()],
  ["en_US", "de", (1234).toLocaleString()],
  ["x", "de", (1234).toLocaleString()],
]) {
  test(`a number in the language ${lang} on a page in ${ofPage || "none"}`, async (t) => {
    const page = await open(t, [{ lang }], { answers: { stats: [statsOf(1234)] }, documentElement: { lang: ofPage } });
    assert.deepEqual(page.texts, [expected]);
  });
}

// The visit

const SIGN_IN = /^POST signin\?visit=([\d-]{16,64})&visitor=(new|returning)&zone=America\/New_York(&repeated=1)?$/;

/** The parameters of the sign-ins: the keys without repetitions, whether new or returning, and the marks. */
function visits({ signIns }) {
  const all = signIns.map((request) => SIGN_IN.exec(request) ?? assert.fail(request));
  return {
    keys: [...new Set(all.map(([, key]) => key))],
    visitors: all.map(([, , visitor]) => visitor),
    marks: all.map(([, , , mark]) => mark !== undefined),
  };
}

test("a page with the attribute counts its reader once, and remembers one word", async (t) => {
  const page = await open(t, [{ counts: "" }, { counts: "", show: "people" }, {}]);
  assert.deepEqual(page.requests, [page.signIns[0], "GET stats", "POST negotiate"], "the visit is on a new connection");
  assert.deepEqual(page.texts, ["8", "1", "8"]);
  assert.deepEqual(page.stored, { [APP]: "counted" });
  await page.socket.open();
  page.add({ counts: "" });
  await page.socket.update(...updateOf(9));
  assert.deepEqual(visits(page).visitors, ["new"]);
});

test("the next page load is a visit of a returning reader", async (t) => {
  const page = await open(t, [{ counts: "" }], { stored: { [APP]: "counted" } });
  assert.deepEqual(visits(page).visitors, ["returning"]);
});

const allKeys = [];
for (const visit of ["first", "second"]) {
  test(`the ${visit} visit has a key of its own`, async (t) => {
    const page = await open(t, [{ counts: "" }]);
    allKeys.push(...visits(page).keys);
    assert.equal(new Set(allKeys).size, allKeys.length);
  });
}

test("another counter is remembered separately", async (t) => {
  const page = await open(t, [{ counts: "" }], { stored: { "https://app.example/": "counted" } });
  assert.deepEqual(visits(page).visitors, ["new"]);
});

test("an element that comes later can count", async (t) => {
  const page = await open(t, [{}]);
  assert.equal(page.signIns.length, 0);
  page.add({ counts: "" });
  await settled();
  assert.equal(page.signIns.length, 1);
});

test("a page to which the browser goes back or forward counts nothing", async (t) => {
  const page = await open(t, [{ counts: "" }], { navigation: 2 });
  assert.deepEqual([page.signIns, page.texts], [[], ["7"]]);
});

test("a tab that Chromium had discarded counts nothing", async (t) => {
  const page = await open(t, [{ counts: "" }], { wasDiscarded: true });
  assert.deepEqual([page.signIns, page.texts], [[], ["7"]]);
});

const BROKEN = { "is forbidden": forbidden, "is missing": () => null };
BROKEN["is full"] = () => new Proxy({}, { set: forbidden });

for (const [reason, storage] of Object.entries(BROKEN)) {
  test(`a reader is new and counts once if the storage ${reason}`, async (t) => {
    const page = await open(t, [{ counts: "" }], { storage });
    await passAllAttempts(page);
    assert.deepEqual(visits(page).visitors, ["new"]);
  });
}

test("a response that the request is no visit is final, and not remembered", async (t) => {
  const answers = { signin: [{ ...signedIn(7), recorded: "no" }] };
  const page = await open(t, [{ counts: "" }], { answers });
  await passAllAttempts(page);
  assert.deepEqual([page.signIns.length, page.stored], [1, {}]);
});

test("a visit that was not recorded is sent again after Retry-After, and unmarked", async (t) => {
  const page = await open(t, [{ counts: "" }], { answers: { signin: [refusal, refusal, signedIn(8)] } });
  assert.deepEqual([page.texts, page.stored], [["7"], {}]);
  assert.equal(await timeUntil(page, "signin"), 6_000);
  assert.equal(await timeUntil(page, "signin"), 7_000);
  assert.deepEqual(page.stored, { [APP]: "counted" });
  const { keys, marks } = visits(page);
  assert.deepEqual([keys.length, marks], [1, [false, false, false]]);
});

const UNKNOWN = {
  "it is unknown whether the visit was recorded": unknown,
  "the network fails": () => Promise.reject(new TypeError("Failed to fetch")),
  "the answer is cut off": () => new Response('{"stats":'),
  "the answer is a gateway's page": () => new Response("<h1>Bad gateway</h1>", { status: 502 }),
  "the answer is null": null,
  "the statistics are malformed": { ...signedIn("8") },
  "no answer comes": NEVER,
};

for (const [reason, answer] of Object.entries(UNKNOWN)) {
  test(`a visit is repeated, marked, when it is settled if ${reason}`, async (t) => {
    const page = await open(t, [{ counts: "" }], { answers: { signin: [answer, refusal, signedIn(8)] } });
    if (answer === NEVER) await page.pass(60_000);
    assert.equal(await timeUntil(page, "signin"), SETTLED + 1_000);
    assert.equal(await timeUntil(page, "signin"), 7_000);
    const { keys, marks } = visits(page);
    assert.deepEqual([keys.length, marks, page.stored], [1, [false, true, true], { [APP]: "counted" }]);
  });
}

test("a visit is given up after eight minutes", async (t) => {
  const page = await open(t, [{ counts: "" }], { answers: { signin: [unknown] } });
  let last = 0;
  for (let ms = 0; ms < 2 * REPEATABLE; ms += 5_000) {
    const before = page.signIns.length;
    await page.pass(5_000);
    if (page.signIns.length > before) last = ms;
  }
  assert.ok(last > REPEATABLE - 2 * LONGEST_PAUSE && last < REPEATABLE, `${last}`);
});

// Pages that are not allowed

const REFUSED = () => Promise.reject(new TypeError("Failed to fetch"));

test("a page that is not allowed keeps its text, and does not repeat its visit", async (t) => {
  const page = await open(t, [{ counts: "" }], { answers: { signin: [REFUSED], stats: [REFUSED] } });
  await passAllAttempts(page);
  assert.deepEqual([page.signIns.length, new Set(page.requests).size, page.texts], [1, 2, ["many"]]);
});

test("a visit is repeated once the app responds", async (t) => {
  const page = await open(t, [{ counts: "" }], {
    answers: { signin: [REFUSED, signedIn(8)], stats: [REFUSED, REFUSED, statsOf(7)] },
  });
  assert.equal(await timeUntil(page, "signin"), SETTLED + 1_000);
  assert.deepEqual(visits(page).marks, [false, true]);
});

// The connection

test("the client opens the protocol, and answers each message by a ping", async (t) => {
  const page = await open(t, [{}]);
  await page.socket.open();
  assert.deepEqual(page.socket.sent, [{ protocol: "json", version: 1 }, { type: 6 }]);
  await page.socket.receive(`{"type":6}${END}`);
  assert.deepEqual(page.socket.sent.slice(2), [{ type: 6 }]);
});

test("a frame may have several messages, or a part of one", async (t) => {
  const page = await open(t, [{}]);
  const [first, second] = [8, 9].map((total) =>
    JSON.stringify({ type: 1, target: "updateSignInStats", arguments: updateOf(total) }),
  );
  page.socket.onopen();
  await page.socket.receive(`{}${END}{"type":6}${END}${first}${END}${second.slice(0, 20)}`);
  assert.deepEqual(page.texts, ["8"]);
  await page.socket.receive(second.slice(20));
  assert.deepEqual(page.texts, ["8"]);
  await page.socket.receive(END);
  assert.deepEqual(page.texts, ["9"]);
});

test("a message that is malformed, or for another target, is ignored", async (t) => {
  const page = await open(t, [{}]);
  await page.socket.open();
  const other = JSON.stringify({ type: 1, target: "other", arguments: updateOf(99) });
  await page.socket.receive(`{"type":${END}${other}${END}{"type":1,"target":"updateSignInStats"}${END}`);
  await page.socket.update(...updateOf(8));
  assert.deepEqual([page.texts, page.sockets.length], [["8"], 1]);
});

for (const [reason, fail, patience] of [
  ["is refused", (page) => page.socket.onclose(), 0],
  ["never opens", () => {}, 10_000],
  ["opens and stays silent", (page) => page.socket.onopen(), 10_000],
]) {
  test(`a WebSocket that ${reason} leaves the numbers of /stats, after growing pauses`, async (t) => {
    const page = await open(t, [{}]);
    const pauses = [];
    for (let total = 8; total < 15; total++) {
      page.answers.stats = [statsOf(total)];
      fail(page);
      pauses.push((await timeUntil(page, "stats")) - patience);
      assert.deepEqual(page.texts, [`${total}`]);
    }
    assert.deepEqual(pauses, [2, 4, 8, 16, 32, 60, 60].map((seconds) => 1_000 * seconds));
    assert.ok(page.sockets.slice(0, -1).every(({ isClosed }) => isClosed));
  });
}

test("a WebSocket that the browser forbids leaves the numbers of /stats", async (t) => {
  const page = await open(t, [{}], { answers: { stats: [statsOf(7), statsOf(8), statsOf(9)] } });
  t.mock.method(globalThis, "WebSocket", forbidden);
  for (const total of [8, 9]) {
    page.socket.onclose();
    await timeUntil(page, "stats");
    assert.deepEqual(page.texts, [`${total}`]);
  }
});

test("a silent connection is dead after 30 s", async (t) => {
  const page = await open(t, [{}]);
  await page.socket.open();
  for (let pings = 0; pings < 10; pings++) {
    await page.pass(29_000);
    await page.socket.receive(`{"type":6}${END}`);
  }
  assert.equal(page.socket.isClosed, false);
  await page.pass(30_000);
  assert.equal(page.socket.isClosed, true);
  assert.equal(await timeUntil(page, "negotiate"), 2_000);
  assert.equal(page.sockets.length, 2);
});

test("a connection that the service closes is opened again", async (t) => {
  const page = await open(t, [{}]);
  await page.socket.open();
  await page.socket.receive(`{"type":7,"allowReconnect":true}${END}`);
  assert.equal(page.socket.isClosed, true);
  assert.equal(await timeUntil(page, "negotiate"), 2_000);
});

test("after a connection that lasted, the pauses begin with short ones", async (t) => {
  const page = await open(t, [{}]);
  for (let attempt = 0; attempt < 4; attempt++) {
    page.socket.onclose();
    await timeUntil(page, "negotiate");
  }
  await page.socket.open();
  await page.socket.receive(`{"type":6}${END}`);
  page.socket.onclose();
  assert.equal(await timeUntil(page, "negotiate"), 2_000);
});

test("connections that close at once are opened after growing pauses", async (t) => {
  const page = await open(t, [{}]);
  const pauses = [];
  for (let attempt = 0; attempt < 4; attempt++) {
    await page.socket.open();
    await page.socket.receive(`{"type":7,"error":"full"}${END}`);
    pauses.push(await timeUntil(page, "negotiate"));
  }
  assert.deepEqual(pauses, [2_000, 4_000, 8_000, 16_000]);
});

test("a connection whose read fails is given up, because an update may be missing", async (t) => {
  const page = await open(t, [{}], { answers: { stats: [statsOf(7), unknown, statsOf(8)] } });
  await page.socket.open();
  assert.equal(page.socket.isClosed, true);
  assert.equal(await timeUntil(page, "stats"), 2_000);
  assert.deepEqual(page.texts, ["8"]);
});

test("a request without a response ends after a minute", async (t) => {
  const page = await open(t, [{}], { answers: { stats: [NEVER, statsOf(7)] } });
  await page.pass(60_000);
  await page.pass(2_000);
  assert.deepEqual(page.texts, ["7"]);
});

test("half of each pause is random", async (t) => {
  const page = await open(t, [{}]);
  t.mock.method(Math, "random", () => 0.999);
  page.socket.onclose();
  await settled();
  assert.equal(await timeUntil(page, "stats"), 2_000);
  page.socket.onclose();
  await settled();
  assert.equal(await timeUntil(page, "stats"), 3_000, "instead of 4 s");
});

// The life of the page

test("a page that is left closes its connection, and opens one again when it comes back", async (t) => {
  const page = await open(t, [{ counts: "" }]);
  await page.socket.open();
  await page.dispatch("pagehide");
  assert.equal(page.socket.isClosed, true);
  page.requests.length = 0;
  await page.dispatch("visibilitychange");
  assert.deepEqual(page.requests, ["GET stats", "POST negotiate"], "at once, and without a visit");
});

test("a connection does not survive the loss of the network", async (t) => {
  const page = await open(t, [{}]);
  await page.socket.open();
  await page.dispatch("offline");
  assert.equal(page.socket.isClosed, true);
  await page.dispatch("online");
  assert.equal(page.sockets.length, 2);
});

test("a page that becomes visible ends a pause, and begins with short ones", async (t) => {
  const page = await open(t, [{}]);
  for (let attempt = 0; attempt < 6; attempt++) {
    page.socket.onclose();
    await timeUntil(page, "negotiate");
  }
  page.socket.onclose();
  await settled();
  page.document.hidden = true;
  await page.dispatch("visibilitychange");
  assert.equal(page.sockets.length, 7);
  page.document.hidden = false;
  await page.dispatch("visibilitychange");
  assert.equal(page.sockets.length, 8);
  page.socket.onclose();
  assert.equal(await timeUntil(page, "negotiate"), 2_000);
});

test("a live page that becomes visible reads the numbers", async (t) => {
  const page = await open(t, [{}], { answers: { stats: [statsOf(7), statsOf(7), statsOf(8)] } });
  await page.socket.open();
  await page.dispatch("visibilitychange");
  assert.deepEqual([page.texts, page.sockets.length], [["8"], 1]);
});

test("a visible page reads the numbers every five minutes", async (t) => {
  const page = await open(t, [{}]);
  await page.socket.open();
  const read = async () => {
    const before = page.requests.length;
    for (let ms = 0; ms < 300_000; ms += 20_000) {
      await page.pass(20_000);
      await page.socket.receive(`{"type":6}${END}`);
    }
    return page.requests.slice(before);
  };
  assert.deepEqual(await read(), ["GET stats"]);
  page.document.hidden = true;
  assert.deepEqual(await read(), []);
});

/** Passes an hour; returns how many requests were sent. */
async function requestsInAnHour(page) {
  const before = page.requests.length;
  for (let seconds = 0; seconds < 3600; seconds += 2) await page.pass(2_000);
  return page.requests.length - before;
}

for (const [problem, answers, most] of [
  ["is not allowed", { stats: [() => Promise.reject(new TypeError("Failed to fetch"))] }, 66],
  ["gets no connection", { negotiate: [refusal] }, 132],
]) {
  test(`a page that ${problem} sends at most ${most} requests an hour`, async (t) => {
    const page = await open(t, [{}], { answers });
    const requests = await requestsInAnHour(page);
    assert.ok(requests > most / 2 && requests <= most, `${requests}`);
  });
}

test("a hidden page does not look for a connection until it is visible", async (t) => {
  const page = await open(t, [{}]);
  await page.socket.open();
  page.document.hidden = true;
  page.socket.onclose();
  assert.equal(await requestsInAnHour(page), 0);
  await page.dispatch("online");
  assert.equal(page.sockets.length, 1);
  page.document.hidden = false;
  await page.dispatch("visibilitychange");
  assert.equal(page.sockets.length, 2);
});

test("the connection ends when no element is left, and a new element opens one", async (t) => {
  const page = await open(t, [{}, {}]);
  await page.socket.open();
  const [first, second] = page.elements;
  first.disconnectedCallback();
  await page.pass(1);
  assert.equal(page.socket.isClosed, false);
  second.disconnectedCallback();
  await page.pass(1);
  assert.equal(page.socket.isClosed, true);
  const before = page.requests.length;
  await page.pass(LONGEST_PAUSE);
  assert.equal(page.requests.length, before, "an empty page requests nothing");
  second.connectedCallback();
  await settled();
  assert.equal(page.sockets.length, 2);
});

test("an element that moves keeps the connection", async (t) => {
  const page = await open(t, [{}]);
  await page.socket.open();
  page.elements[0].disconnectedCallback();
  page.elements[0].connectedCallback();
  await page.pass(LONGEST_PAUSE / 4);
  assert.deepEqual([page.socket.isClosed, page.sockets.length], [false, 1]);
});

test("a page without an element requests nothing", async (t) => {
  const page = await open(t, []);
  await page.pass(LONGEST_PAUSE);
  assert.deepEqual(page.requests, []);
});

test("a script that is loaded twice makes one connection and one visit", async (t) => {
  const page = await open(t, [{ counts: "" }]);
  await page.load();
  await page.dispatch("visibilitychange");
  assert.deepEqual([page.sockets.length, page.signIns.length], [1, 1]);
});

test("a script that runs while the page is parsed waits for its end", async (t) => {
  const page = await open(t, [{ counts: "" }], { readyState: "loading" });
  assert.deepEqual(page.requests, []);
  page.document.readyState = "interactive";
  await page.dispatch("DOMContentLoaded");
  assert.deepEqual(page.texts, ["8"]);
});

test("a prerendered page waits until it is shown", async (t) => {
  const page = await open(t, [{ counts: "" }], { prerendering: true });
  assert.deepEqual(page.requests, []);
  page.document.prerendering = false;
  await page.dispatch("prerenderingchange");
  assert.deepEqual(page.texts, ["8"]);
});
