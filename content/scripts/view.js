// What the visitor sees: the only module that knows the elements of the page.

import { Bars } from "./bars.js";
import { Counter } from "./counter.js";
import { formatCount } from "./format.js";
import { prefersReducedMotion } from "./motion.js";
import { drawCode } from "./qr.js";
import { shares } from "./snapshot.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./connection.js").State} State
 * @typedef {{ headline: string, detail: string }} Problem
 */

/** @type {Record<State, string>} */
const STATE_NAMES = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", offline: "Offline" };

const TITLE = document.title;

const status = find("[data-testid=status]");
const error = find("[data-testid=error]");
const ripple = find(".ripple");
const barTemplate = /** @type {HTMLTemplateElement} */ (find("#bar"));
const counter = new Counter(find("[data-testid=total]"));
const byOS = new Bars(find("[data-testid=by-os]"), barTemplate);
const byBrowser = new Bars(find("[data-testid=by-browser]"), barTemplate);

/** @param {Snapshot} snapshot */
export function showSnapshot(snapshot) {
  document.body.classList.remove("loading");
  document.title = `(${formatCount(snapshot.total)}) ${TITLE}`;
  counter.show(snapshot.total);
  byOS.show(shares(snapshot.byOS));
  byBrowser.show(shares(snapshot.byBrowser));
  if (!prefersReducedMotion()) {
    ripple.animate({ scale: [0.3, 3.5], opacity: [0.6, 0] }, { duration: 2_000, easing: "ease-out" });
  }
}

/** @param {State} state */
export function showState(state) {
  status.dataset.state = state;
  write(status, STATE_NAMES[state]);
}

/** @param {Problem | null} problem */
export function showProblem(problem) {
  error.hidden = problem === null;
  write(find(".problem-headline"), problem?.headline ?? "");
  write(find(".problem-detail"), problem?.detail ?? "");
}

/**
 * @param {string} address
 * @param {import("./qr.js").Code} code of that address
 */
export function showAddress(address, code) {
  const { size, path } = drawCode(code);
  const qr = find("[data-testid=qr]");
  qr.dataset.address = address;
  qr.setAttribute("aria-label", `QR code of ${address}`);
  qr.setAttribute("viewBox", `0 0 ${size} ${size}`);
  find("[data-testid=qr] path").setAttribute("d", path);
  find(".address").textContent = address;
}

/**
 * Leaves a text that has not changed alone, or a screen reader would announce it again.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {string} selector
 * @returns {HTMLElement}
 */
function find(selector) {
  const element = document.querySelector(selector);
  if (!element) throw new Error(`The page has no ${selector}.`);
  return /** @type {HTMLElement} */ (element);
}
