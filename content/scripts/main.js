// The page: it signs in once and then stays connected.

import makeCode from "qrcode-generator";

import { createAnnouncer } from "./announcer.js";
import { fetchStats, negotiate, postSignIn } from "./api.js";
import { createCatchUp } from "./catch-up.js";
import { LiveConnection } from "./connection.js";
import { openHub } from "./hub.js";
import { setUpPresentation } from "./presentation.js";
import { sleep } from "./retry.js";
import { shareAddress, shareMethod } from "./share.js";
import { signIn } from "./signin.js";
import { merge, snapshot } from "./snapshot.js";
import * as view from "./view.js";

const REREAD = 300_000; // ms between reads of the statistics, which correct the history
const TICK = 5_000; // ms between updates of the chart and the age

/** @type {import("./snapshot.js").Snapshot | null} */
let latest = null;
let updatedAt = 0;
/** @type {import("./view.js").Problem | null} */
let signInProblem = null;
/** @type {import("./view.js").Problem | null} */
let readingProblem = null;

const alarm = new EventTarget();
const wake = () => alarm.dispatchEvent(new Event("wake"));

/** @param {number} ms */
const waitOrWake = (ms) => sleep(ms, alarm);

const announce = createAnnouncer({ speak: view.announce, wait: sleep });

/** @param {import("./snapshot.js").Snapshot} next */
function accept(next) {
  latest = merge(latest, next);
  updatedAt = performance.now();
  view.showSnapshot(latest);
  view.showAge(0);
  announce(latest.total);
  showProblems();
}

/** A failure to read the statistics is shown only while there are none on the page. */
function showProblems() {
  view.showProblem(signInProblem ?? (latest ? null : readingProblem));
}

const catchUp = createCatchUp({
  fetchStats,
  onSnapshot: accept,
  onError: ({ message }) => {
    readingProblem = { headline: "The counter cannot be read. We keep trying.", detail: message };
    showProblems();
  },
  wait: waitOrWake,
});

const connection = new LiveConnection({
  negotiate,
  open: (endpoint) => openHub(endpoint, (...update) => accept(snapshot(...update))),
  onState: view.showState,
  onAttempt: catchUp,
  wait: waitOrWake,
  isOnline: () => navigator.onLine,
  now: () => performance.now(),
});

let connecting = false;

/** @param {import("./api.js").SignInAnswer} answer */
function onAnswer(answer) {
  signInProblem =
    answer.recorded === "no"
      ? { headline: "Your visit is not counted yet. We keep trying.", detail: answer.error }
      : null;
  if (answer.recorded === "yes") accept(answer.snapshot);
  else void catchUp();
  showProblems();
  if (connecting) return;
  connecting = true;
  void connection.run(answer.recorded === "yes" ? answer.endpoint : undefined);
}

/** Signs in. A prerendered page waits until it is shown, because it may never be. */
async function enter() {
  if (/** @type {Document & { prerendering?: boolean }} */ (document).prerendering) {
    await new Promise((resolve) => document.addEventListener("prerenderingchange", resolve, { once: true }));
  }
  await signIn({ post: postSignIn, onAnswer, wait: waitOrWake });
}

void enter();

// A socket does not survive the loss of the network, and an open socket keeps the page out of the back/forward cache.
addEventListener("offline", () => connection.drop());
addEventListener("pagehide", () => connection.drop());

addEventListener("online", wake);
addEventListener("pageshow", wake);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible") return;
  wake();
  // After a sleep the connection may be dead; SignalR notices it only half a minute later.
  if (latest !== null) void catchUp();
});
view.tryNowButton.addEventListener("click", wake);

setInterval(() => {
  if (latest === null) return;
  view.showSnapshot(merge(latest, latest)); // the history advances even without visits
  view.showAge(performance.now() - updatedAt);
}, TICK);
setInterval(() => {
  if (latest !== null && document.visibilityState === "visible") void catchUp();
}, REREAD * (0.8 + 0.4 * Math.random())); // jitter, so that the pages do not all read at once

const address = location.origin + location.pathname;
const code = makeCode(0, "M");
code.addData(address);
code.make();
view.showAddress(address, code);

view.showSharing(shareMethod(navigator));
view.shareButton.addEventListener("click", async () => view.showShared(await shareAddress(address, navigator)));
setUpPresentation(view.presentButton, view.showPresentation);
