// The life of the page: it signs in once, stays connected, and keeps up to date what it shows.

import { fetchStats, negotiate, postSignIn, sendLeave } from "./api.js";
import { createCatchUp } from "./catch-up.js";
import { LiveConnection } from "./connection.js";
import { Display } from "./display.js";
import { Presence } from "./presence.js";
import { sleep } from "./retry.js";
import { signIn } from "./signin.js";

const PATIENCE = 2_000; // ms; then the page shows the statistics while the sign-in is still under way
const PERIOD = 300_000; // ms between reads of the statistics, which correct the history, unless the app wants another
const TICK = 5_000; // ms between updates of the chart and the age

/**
 * @typedef {import("./api.js").SignInAnswer} SignInAnswer
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 *
 * @typedef {object} Options
 * @property {Pick<typeof import("./view.js"),
 *   "announce" | "showCounted" | "showMilestone" | "showNews" | "showProblem" | "showSnapshot" | "showState" |
 *   "tryNowButton">} view
 * @property {typeof import("./hub.js").openHub} openHub
 * @property {import("./transports.js").Transports} transports
 * @property {Pick<import("./visitor.js").Memory, "visitor" | "remember"> | null} memory null for a load that is no visit:
 *   that page reads and listens
 * @property {boolean} isWall whether it is no person's page: it does not report itself as open
 * @property {EventTarget} window
 * @property {EventTarget & { visibilityState: string, prerendering?: boolean }} document
 * @property {{ onLine: boolean }} navigator
 */

/**
 * Resolves when the visit is settled; the page lives on.
 *
 * @param {Options} options
 */
export async function startPage({ view, openHub, transports, memory, isWall, window, document, navigator }) {
  let isConnecting = false;
  let period = PERIOD;
  let reading = 0;

  const alarm = new EventTarget();
  const wake = () => alarm.dispatchEvent(new Event("wake"));
  /** @param {number} ms */
  const waitOrWake = (ms) => sleep(ms, alarm);

  const isVisible = () => document.visibilityState === "visible";
  const display = new Display({ view, isShown: isVisible });
  const presence = new Presence({ isShown: () => isVisible() && !isWall, sendLeave });

  /**
   * @param {Snapshot} read the app's answer
   * @param {"own visit" | "reading"} source
   */
  function acceptReading(read, source) {
    display.accept(read, source);
    if (read.here?.seconds) period = read.here.seconds * 1_000;
    scheduleReading();
  }

  /** The next read of the statistics: with jitter, so that the pages do not all read at once, and within the period. */
  function scheduleReading() {
    clearTimeout(reading);
    reading = setTimeout(() => {
      scheduleReading();
      if (display.total !== null && isVisible()) void catchUp();
    }, period * (0.8 + 0.2 * Math.random()));
  }

  const catchUp = createCatchUp({
    fetchStats: () => presence.report(fetchStats, ({ here }) => here),
    onSnapshot: (snapshot) => {
      if (display.total !== null && snapshot.total > display.total) void connection.expectUpdate();
      acceptReading(snapshot, "reading");
    },
    onError: ({ message }) =>
      display.setReadingProblem({ headline: "The counter cannot be read. We keep trying.", detail: message }),
    wait: waitOrWake,
  });

  const connection = new LiveConnection({
    negotiate,
    open: (endpoint, transport) =>
      openHub(endpoint, transport, (snapshot) => {
        connection.noteUpdate();
        display.accept(snapshot, "update");
      }),
    transports,
    onState: (state) => display.setState(state),
    onAttempt: catchUp,
    wait: waitOrWake,
    isOnline: () => navigator.onLine,
    now: () => performance.now(),
  });

  /** @param {SignInAnswer} answer */
  function onAnswer(answer) {
    clearTimeout(late);
    display.setSignInProblem(
      answer.recorded === "no"
        ? { headline: "Your visit is not counted yet. We keep trying.", detail: answer.error }
        : null,
    );
    if (answer.recorded === "yes") {
      memory?.remember();
      view.showCounted();
    }
    if ("snapshot" in answer) acceptReading(answer.snapshot, answer.recorded === "yes" ? "own visit" : "reading");
    else void catchUp();
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
  window.addEventListener("pagehide", () => {
    connection.drop();
    presence.close();
  });

  window.addEventListener("online", () => {
    transports.reset(); // the network may be another one
    wake();
  });
  window.addEventListener("pageshow", wake);
  document.addEventListener("visibilitychange", () => {
    if (!isVisible()) return presence.leave();
    wake();
    // After a sleep the connection may be dead; SignalR notices it only half a minute later.
    if (display.total !== null) void catchUp();
  });
  view.tryNowButton.addEventListener("click", wake);

  setInterval(() => display.advance(), TICK);
  scheduleReading();

  if (memory === null) {
    void catchUp();
    void connection.run();
    return;
  }
  const { visitor } = memory; // read once: all attempts at the visit send the same
  const late = setTimeout(onAnswer, PATIENCE, { recorded: "unknown" });

  /** @type {(key: string, isRepeated: boolean) => Promise<SignInAnswer>} */
  const post = (key, isRepeated) =>
    presence.report(
      (slot) => postSignIn(key, visitor, isRepeated, slot),
      (answer) => ("snapshot" in answer ? answer.snapshot.here : null),
    );
  await signIn({ post, onAnswer, wait: waitOrWake });
}
