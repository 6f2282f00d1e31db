// The view: the only module that uses the elements of the page.

import { HistoryChart } from "./chart.js";
import { Counter } from "./counter.js";
import { find, write } from "./dom.js";
import { formatCaption, formatCheckIns, formatCount, formatNews } from "./format.js";
import { prefersReducedMotion } from "./motion.js";
import { addPanels, countRows, sharesOf } from "./panels.js";
import { splash } from "./splash.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./connection.js").State} State
 * @typedef {{ headline: string, detail: string }} Problem
 */

/** @type {Record<State, string>} */
const STATE_NAMES = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", offline: "Offline" };

const TITLE = document.title;
find(".brand").style.setProperty("--characters", String(TITLE.length));
const RIPPLE = { duration: 2_000, easing: "ease-out" };
const CELEBRATION = 10_000; // ms

const status = find("[data-testid=status]");
const problemNote = find("[data-testid=problem]");
const here = find("[data-testid=here]");
const gain = find(".gain");
const number = find("[data-testid=total]");
const milestoneNote = find("[data-testid=milestone]");
const counter = new Counter(number);
const [panelTemplate, barTemplate] = ["#panel", "#bar"].map(
  (selector) => /** @type {HTMLTemplateElement} */ (find(selector)),
);
const panels = addPanels(find(".panels"), panelTemplate, barTemplate);
const chart = new HistoryChart(find(".history"));

/** @type {Snapshot | null} */
let shownSnapshot = null;
/** @type {number | null} */
let shownTotal = null;
let shareLabel = "";
let restoringLabel = 0;
let endingCelebration = 0;

export const presentButton = find("[data-testid=present]");
export const posterButton = find("[data-testid=poster]");
export const saveButtons = {
  svg: find("[data-testid=save-svg]"),
  png: find("[data-testid=save-png]"),
  history: find("[data-testid=save-history]"),
  counts: find("[data-testid=save-counts]"),
};
export const shareButton = find("[data-testid=share]");
export const tryNowButton = find("[data-testid=problem] button");

/** @param {Snapshot} snapshot */
export function showSnapshot(snapshot) {
  const { total, counts, history, here: pages } = snapshot;
  shownSnapshot = snapshot;
  document.body.classList.remove("loading");
  write(here, pages?.now ? `${formatCount(pages.now)} here now` : ""); // not 0: that of a wall without visitors
  if (history) chart.show(history);
  if (total === shownTotal) return;
  document.title = `(${formatCount(total)}) ${TITLE}`;
  write(find("[data-testid=caption]"), formatCaption(total, counts.byVisitor));
  counter.show(total);
  for (const [key, bars] of panels) bars.show(sharesOf(snapshot, key));
  if (!prefersReducedMotion()) showGain(shownTotal === null ? 0 : total - shownTotal);
  shownTotal = total;
}

/** The chart's series and its range. */
export function shownHistory() {
  return chart.shown;
}

/** The bars of all panels as rows of a table. */
export function shownCounts() {
  return countRows(shownSnapshot ?? { total: 0, counts: {} });
}

/** @param {Parameters<typeof formatNews>[0]} news */
export function showNews(news) {
  write(find("[data-testid=age]"), formatNews(news));
}

/**
 * Celebrates a milestone, for screen readers too.
 *
 * @param {number} milestone
 */
export function showMilestone(milestone) {
  write(milestoneNote, `${formatCheckIns(milestone)}!`);
  splash(number);
  clearTimeout(endingCelebration);
  endingCelebration = setTimeout(() => write(milestoneNote, ""), CELEBRATION);
}

/** The visitor of this page is counted: the QR code is for others. */
export function showCounted() {
  document.body.classList.add("counted");
  write(find("[data-testid=counted]"), "You are in");
}

/** @param {State} state */
export function showState(state) {
  status.dataset.state = state;
  write(status, STATE_NAMES[state]);
}

/** @param {Problem | null} problem */
export function showProblem(problem) {
  problemNote.hidden = problem === null;
  write(find(".problem-headline"), problem?.headline ?? "");
  write(find(".problem-detail"), problem?.detail ?? "");
}

/**
 * The notice of a page that has not started is in the HTML, so that it remains if a browser cannot run the scripts.
 *
 * @param {boolean} isTooOld whether this browser is too old for the page
 */
export function showTooOld(isTooOld) {
  find(".too-old").hidden = !isTooOld;
}

/** @param {string} text for screen readers */
export function announce(text) {
  write(find("[data-testid=announcement]"), text);
}

/** @param {import("./share.js").ShareMethod} method */
export function showSharing(method) {
  shareButton.hidden = method === "none";
  shareLabel = method === "share" ? "Share" : "Copy the link";
  write(shareButton, shareLabel);
}

/** @param {import("./share.js").Outcome} outcome */
export function showShared(outcome) {
  if (outcome === "shared") return;
  const text = outcome === "copied" ? "Copied" : "Cannot be copied";
  announce(text);
  write(shareButton, text);
  clearTimeout(restoringLabel);
  restoringLabel = setTimeout(() => write(shareButton, shareLabel), 2_000);
}

/** @param {boolean} presenting */
export function showPresentation(presenting) {
  document.body.classList.toggle("presenting", presenting);
  write(presentButton, presenting ? "Leave" : "Present");
}

/** @param {boolean} still whether the pointer has not moved for some seconds */
export function showStillness(still) {
  document.body.classList.toggle("still", still);
}

/**
 * @param {string} address
 * @param {import("./qr.js").Drawing} code QR code of the address
 */
export function showAddress(address, { size, path }) {
  const qr = find("[data-testid=qr]");
  qr.dataset.address = address;
  qr.setAttribute("aria-label", `QR code of ${address}`);
  qr.setAttribute("viewBox", `0 0 ${size} ${size}`);
  find("[data-testid=qr] path").setAttribute("d", path);
  const shown = address.replace(/^https:\/\/|\/$/g, "");
  write(find(".address bdi"), shown);
  find(".address").style.setProperty("--characters", String(shown.length));
}

/** @param {number} more visits since the last update */
function showGain(more) {
  find(".ripple").animate({ transform: ["scale(0.3)", "scale(3.5)"], opacity: [0.6, 0] }, RIPPLE);
  if (more === 0) return;
  write(gain, `+${formatCount(more)}`);
  const transform = ["0.3em", "0", "0", "-0.3em"].map((y) => `translateY(${y})`);
  gain.animate({ opacity: [0, 1, 1, 0], transform }, RIPPLE);
}
