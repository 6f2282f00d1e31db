// The life of the page: it signs in once, stays connected, and keeps up to date what it shows.

import { createAnnouncer } from "./announcer.js";
import { fetchStats, negotiate, postSignIn } from "./api.js";
import { createCatchUp } from "./catch-up.js";
import { LiveConnection } from "./connection.js";
import { LastVisit } from "./last-visit.js";
import { milestoneReached } from "./milestones.js";
import { sleep } from "./retry.js";
import { signIn } from "./signin.js";
import { merge } from "./snapshot.js";

const PATIENCE = 2_000; // ms; then the page shows the statistics while the sign-in is still under way
const REREAD = 300_000; // ms between reads of the statistics, which correct the history
const TICK = 5_000; // ms between updates of the chart and the age

/**
 * @typedef {import("./api.js").SignInAnswer} SignInAnswer
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./view.js").Problem} Problem
 *
 * @typedef {object} Options
 * @property {Pick<typeof import("./view.js"),
 *   "announce" | "showCounted" | "showMilestone" | "showNews" | "showProblem" | "showSnapshot" | "showState" |
 *   "tryNowButton">} view
 * @property {typeof import("./hub.js").openHub} openHub
 * @property {import("./transports.js").Transports} transports
 * @property {Pick<import("./visitor.js").Memory, "visitor" | "remember"> | null} memory null for a load that is no visit:
 *   that page reads and listens
 * @property {EventTarget} window
 * @property {EventTarget & { visibilityState: string, prerendering?: boolean }} document
 * @property {{ onLine: boolean }} navigator
 */

/**
 * Resolves when the visit is settled; the page lives on.
 *
 * @param {Options} options
 */
export async function startPage({ view, openHub, transports, memory, window, document, navigator }) {
  /** @type {Snapshot | null} */
  let latest = null;
  let updatedAt = 0;
  let isLive = false;
  /** @type {number | null} */
  let milestone = null;
  const lastVisit = new LastVisit();
  /** @type {Problem | null} */
  let signInProblem = null;
  /** @type {Problem | null} */
  let readingProblem = null;
  let isConnecting = false;

  const alarm = new EventTarget();
  const wake = () => alarm.dispatchEvent(new Event("wake"));
  /** @param {number} ms */
  const waitOrWake = (ms) => sleep(ms, alarm);

  const announce = createAnnouncer({ speak: view.announce, wait: sleep });

  /**
   * @param {Snapshot} next
   * @param {"own visit" | "update" | "reading"} source
   */
  function accept(next, source) {
    // The first statistics are no jump, unless they are those of the visitor's own visit.
    const before = latest?.total ?? (source === "own visit" ? next.total - 1 : next.total);
    if (source !== "reading" && next.total > before) lastVisit.happened();
    latest = merge(latest, next);
    updatedAt = Date.now();
    view.showSnapshot(latest);
    showNews();
    announce(latest.total);
    showProblems();
    milestone = milestoneReached(before, next.total) ?? milestone;
    celebrate();
  }

  function showNews() {
    if (latest === null) return;
    const { total, history } = latest;
    view.showNews({ total, visitAge: lastVisit.age(history), updateAge: Date.now() - updatedAt, isLive });
  }

  /** A page that is hidden celebrates when it is shown, since it then reads. */
  function celebrate() {
    if (milestone === null || document.visibilityState !== "visible") return;
    view.showMilestone(milestone);
    milestone = null;
  }

  /** A failure to read the statistics is shown only while there are none on the page. */
  function showProblems() {
    view.showProblem(signInProblem ?? (latest ? null : readingProblem));
  }

  const catchUp = createCatchUp({
    fetchStats,
    onSnapshot: (snapshot) => {
      if (latest !== null && snapshot.total > latest.total) void connection.expectUpdate();
      accept(snapshot, "reading");
    },
    onError: ({ message }) => {
      readingProblem = { headline: "The counter cannot be read. We keep trying.", detail: message };
      showProblems();
    },
    wait: waitOrWake,
  });

  const connection = new LiveConnection({
    negotiate,
    open: (endpoint, transport) =>
      openHub(endpoint, transport, (snapshot) => {
        connection.noteUpdate();
        accept(snapshot, "update");
      }),
    transports,
    onState: (state) => {
      isLive = state === "live";
      view.showState(state);
      showNews();
    },
    onAttempt: catchUp,
    wait: waitOrWake,
    isOnline: () => navigator.onLine,
    now: () => performance.now(),
  });

  /** @param {SignInAnswer} answer */
  function onAnswer(answer) {
    clearTimeout(late);
    signInProblem =
      answer.recorded === "no"
        ? { headline: "Your visit is not counted yet. We keep trying.", detail: answer.error }
        : null;
    if (answer.recorded === "yes") {
      memory?.remember();
      view.showCounted();
    }
    if ("snapshot" in answer) accept(answer.snapshot, answer.recorded === "yes" ? "own visit" : "reading");
    else void catchUp();
    showProblems();
    if (isConnecting) return;
    isConnecting = true;
    void connection.run("endpoint" in answer ? answer.endpoint : undefined);
  }

  // A prerendered page waits until it is shown, because it may never be.
  if (document.prerendering) {
    await new Promise((resolve) => document.addEventListener("prerenderingchange", resolve, { once: true }));
  }

  // A socket does not survive the loss of the network, and an open socket keeps the page out of the back/forward cache.
  window.addEventListener("offline", () => connection.drop());
  window.addEventListener("pagehide", () => connection.drop());

  window.addEventListener("online", () => {
    transports.reset(); // the network may be another one
    wake();
  });
  window.addEventListener("pageshow", wake);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "visible") return;
    wake();
    // After a sleep the connection may be dead; SignalR notices it only half a minute later.
    if (latest !== null) void catchUp();
  });
  view.tryNowButton.addEventListener("click", wake);

  setInterval(() => {
    if (latest === null) return;
    latest = merge(latest, latest); // the history advances even without visits
    view.showSnapshot(latest);
    showNews();
  }, TICK);
  setInterval(() => {
    if (latest !== null && document.visibilityState === "visible") void catchUp();
  }, REREAD * (0.8 + 0.4 * Math.random())); // jitter, so that the pages do not all read at once

  if (memory === null) {
    void catchUp();
    void connection.run();
    return;
  }
  const { visitor } = memory; // read once: all attempts at the visit send the same
  const late = setTimeout(onAnswer, PATIENCE, { recorded: "unknown" });
  await signIn({ post: (key, isRepeated) => postSignIn(key, visitor, isRepeated), onAnswer, wait: waitOrWake });
}
