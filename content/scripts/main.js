// The page: be counted once, then stay live.

import qrcode from "../lib/qrcode-generator-2.0.4.mjs";
import { fetchStats, negotiate, postSignIn } from "./api.js";
import { createCatchUp } from "./catch-up.js";
import { LiveConnection } from "./connection.js";
import { openHub } from "./hub.js";
import { sleep } from "./retry.js";
import { signIn } from "./signin.js";
import { newer, snapshot } from "./snapshot.js";
import { showAddress, showProblem, showSnapshot, showState } from "./view.js";

/** @type {import("./snapshot.js").Snapshot | null} */
let latest = null;
/** @type {import("./view.js").Problem | null} */
let signInProblem = null;
/** @type {import("./view.js").Problem | null} */
let readingProblem = null;

/** @param {import("./snapshot.js").Snapshot} next */
function accept(next) {
  const previous = latest;
  latest = newer(latest, next);
  if (latest !== previous) showSnapshot(latest);
  showProblems();
}

/** Being unable to read the statistics is worth a word only as long as there are none to show. */
function showProblems() {
  showProblem(signInProblem ?? (latest ? null : readingProblem));
}

const alarm = new EventTarget();
const wake = () => alarm.dispatchEvent(new Event("wake"));

/** @param {number} ms */
const waitOrWake = (ms) => sleep(ms, alarm);

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
  open: (endpoint) => openHub(endpoint, (total, byOS, byBrowser) => accept(snapshot(total, byOS, byBrowser))),
  onState: showState,
  onAttempt: catchUp,
  wait: waitOrWake,
  isOnline: () => navigator.onLine,
  now: () => performance.now(),
});

// A socket does not survive the loss of the network, and an open one would keep the page out of the back/forward cache.
addEventListener("offline", () => connection.drop());
addEventListener("pagehide", () => connection.drop());

addEventListener("online", wake);
addEventListener("pageshow", wake);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") wake();
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

const address = location.origin + location.pathname;
const code = qrcode(0, "M");
code.addData(address);
code.make();
showAddress(address, code);

// A page that the browser prepares in advance may never be seen.
if (document.prerendering) {
  await new Promise((resolve) => document.addEventListener("prerenderingchange", resolve, { once: true }));
}
void signIn({ post: postSignIn, onAnswer });
