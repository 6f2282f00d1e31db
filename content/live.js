// The count on any page, for websites that the app allows (docs/on-your-own-site.md):
//
//   <script defer src="https://myapp.azurewebsites.net/live.js"></script>
//   <live-count></live-count>
//
// Published, it is one file of at most 1.5 KB, compressed. Therefore it has a client for SignalR of its own, and shorter
// checks of what arrives than the app's page. All elements of a page share one connection and one visit.

import { backoff } from "./scripts/retry.js";
import { REPEATABLE, SETTLED } from "./scripts/signin.js";
import { hangUp, listen } from "./scripts/socket.js";

/**
 * @typedef {object} Stats
 * @property {number} totalNumber
 * @property {{ New?: number }} byVisitor
 * @property {{ now: number } | number} [here] open pages; in an update only their number
 */

// The folder of the app, or of a room: there the script is, too. It has to be a classic script, for a module has no
// `currentScript`.
const APP = new URL(".", /** @type {HTMLScriptElement} */ (document.currentScript).src).href;

/** @type {Set<LiveCount>} those on the page */
const elements = new Set();

// The numbers; -1 is not known yet.
let total = -1;
let people = -1;
let here = -1;

/**
 * Also true on a page that comes back and was counted before, see `navigationType` in `scripts/visitor.js`. 2 is
 * TYPE_BACK_FORWARD; Safari 14 has no newer interface.
 *
 * @type {boolean | Promise<void>}
 */
let isCounted = /** @type {any} */ (document).wasDiscarded || performance.navigation.type === 2;

/**
 * Ends the pause before the next connection, if there is a reason to expect that it succeeds. While there is a
 * connection, reads the numbers instead.
 *
 * @type {(reason?: unknown) => void}
 */
let wake = () => {};

class LiveCount extends HTMLElement {
  connectedCallback() {
    if (!elements.size) wake(this);
    elements.add(this);
    draw(this);
  }

  disconnectedCallback() {
    elements.delete(this);
    setTimeout(() => elements.size || hangUp(), 0); // later, because an element that moves is connected again at once
  }
}

/** Keeps the numbers up to date while there are elements; never returns. */
async function run() {
  for (let failures = 0; ; ) {
    try {
      if (elements.size) {
        await read(); // before the connection, which may take long. It fails on a page that is not allowed
        await listen(await ask("negotiate"), ({ type, target, arguments: update }) => {
          if (type) {
            failures = 0;
            if (target === "updateSignInStats") accept({ ...update[3], totalNumber: update[0] });
          } else {
            wake = () => read().catch(hangUp);
            wake(); // updates may have been missed
          }
        });
      }
    } catch {
      // The browser has logged the reason.
    }
    await new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
      wake = (reason) => reason && resolve((failures = 0));
      // A hidden page waits until it is visible. There may be thousands of such tabs when the app is away.
      setTimeout(() => document.hidden || resolve(), 2 * backoff(++failures));
    });
  }
}

const read = () => ask("stats", "GET").then(accept);

/**
 * Shows the numbers of a response or an update. Those of visits and people only grow. Throws if one is malformed.
 *
 * @param {Stats} stats
 */
function accept({ totalNumber, byVisitor: { New = 0 }, here: pages = -1 }) {
  const now = /** @type {{ now: number }} */ (pages).now ?? pages;
  if (![totalNumber, New, now].every(Number.isSafeInteger)) throw new Error();
  total = Math.max(total, totalNumber);
  people = Math.max(people, New);
  here = now;
  elements.forEach(draw);
}

/**
 * Shows the number of an element. The first one that has the attribute `counts` begins the visit.
 *
 * @param {LiveCount} element
 */
function draw(element) {
  isCounted ||= element.hasAttribute("counts") && count();
  const show = element.getAttribute("show");
  const number = show === "people" ? people : show === "here" ? here : total;
  if (number < 0) return;
  let text = number.toLocaleString();
  try {
    text = number.toLocaleString(
      /** @type {HTMLElement} */ (element.closest("[lang]") || document.documentElement).lang,
    );
  } catch {
    // No language, or a malformed one: the browser's remains.
  }
  if (text !== element.textContent) element.textContent = text;
}

/**
 * Counts the reader, by the protocol that `scripts/signin.js` explains. It is begun before anything is read, so that it
 * has a connection of its own, and given up after eight minutes.
 */
async function count() {
  let visitor = "new";
  try {
    if (localStorage[APP]) visitor = "returning";
  } catch {
    // Forbidden.
  }
  const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
  // Not encoded, because the only zones with a special character, such as Etc/GMT+1, are not in a country.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const end = Date.now() + REPEATABLE;
  let repeated = "";
  for (let failures = 1; Date.now() < end; failures++) {
    let stats, recorded;
    try {
      // A page that has never received a number may not be allowed. It does not repeat its visit.
      if (!repeated || total >= 0) {
        ({ stats, recorded } = await ask(`signin?visit=${key}&visitor=${visitor}&zone=${zone}${repeated}`));
        accept(stats);
        try {
          if (!recorded) localStorage[APP] = "counted";
        } catch {
          // Forbidden or full.
        }
        return;
      }
    } catch {
      // Not recorded, or the outcome is unknown.
    }
    let pause = SETTLED;
    if (recorded === "no") pause = 5_000; // the app's Retry-After
    else repeated = "&repeated=1";
    await new Promise((resolve) => setTimeout(resolve, pause + backoff(failures)));
  }
}

/**
 * The response of the app, of whatever status: that of an error has no numbers, and no URL.
 *
 * @param {string} path
 * @param {string} [method]
 */
function ask(path, method = "POST") {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 60_000); // so long, because an idle app has to start an instance first
  return fetch(APP + path, { method, credentials: "omit", signal: controller.signal }).then((response) => response.json());
}

/** @param {{ type?: any }} event */
function onEvent({ type }) {
  // A browser keeps a page in its back/forward cache only without a connection. When it is shown again, it is visible.
  if (/off|hide/.test(type)) hangUp();
  else if (!document.hidden) wake(type);

  // A page that is prerendered may never be shown, and the parser must not append the content of an element to a number.
  if (/** @type {any} */ (document).prerendering || document.readyState === "loading") return;
  if (customElements.get("live-count")) return; // the script may be loaded twice
  customElements.define("live-count", LiveCount);
  void run();
}

for (const type of ["prerenderingchange", "DOMContentLoaded", "offline", "pagehide", "online", "visibilitychange"]) {
  addEventListener(type, onEvent, true);
}
setInterval(onEvent, 300_000, {}); // because an update may never have been sent
onEvent({});
