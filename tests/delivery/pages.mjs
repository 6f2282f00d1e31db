// Homepages without a browser: `node pages.mjs <url of the app> <number of pages>`.
//
// Each page is made of the homepage's own modules, put together as main.js does, and has a SignalR connection of its
// own by the real client. Each event of a page is a line of JSON on standard output: [page, "total", 3] when it shows
// another number, [page, "state", "live"], or [page, "request", "POST signin"]. The process ends with its standard input.

import { AsyncLocalStorage } from "node:async_hooks";

import { fetchStats, negotiate, postSignIn } from "../../content/scripts/api.js";
import { createCatchUp } from "../../content/scripts/catch-up.js";
import { LiveConnection } from "../../content/scripts/connection.js";
import { openHub } from "../../content/scripts/hub.js";
import { sleep } from "../../content/scripts/retry.js";
import { signIn } from "../../content/scripts/signin.js";
import { merge, snapshot } from "../../content/scripts/snapshot.js";

const [app, count] = process.argv.slice(2);
const currentPage = new AsyncLocalStorage();
const browsersFetch = globalThis.fetch;

// The addresses in the page are relative, and its modules do not know which of the pages they belong to.
globalThis.fetch = (address, options) => {
  if (typeof address === "string" && !address.includes("://")) {
    report("request", `${options.method} ${address.split("?")[0]}`);
  }
  return browsersFetch(typeof address === "string" ? new URL(address, `${app}/`) : address, options);
};

function report(what, value) {
  process.stdout.write(`${JSON.stringify([currentPage.getStore(), what, value])}\n`);
}

function openPage() {
  let latest = null;
  let connecting = false;

  function accept(next) {
    const previous = latest?.total;
    latest = merge(latest, next);
    if (latest.total !== previous) report("total", latest.total);
  }

  const catchUp = createCatchUp({ fetchStats, onSnapshot: accept, onError: () => {}, wait: sleep });
  const connection = new LiveConnection({
    negotiate,
    open: (endpoint) => openHub(endpoint, (...update) => accept(snapshot(...update))),
    onState: (state) => report("state", state),
    onAttempt: catchUp,
    wait: sleep,
    isOnline: () => true,
    now: () => performance.now(),
  });

  function onAnswer(answer) {
    if (answer.recorded === "yes") accept(answer.snapshot);
    else void catchUp();
    if (connecting) return;
    connecting = true;
    void connection.run(answer.recorded === "yes" ? answer.endpoint : undefined);
  }

  void signIn({ post: postSignIn, onAnswer });
}

process.stdin.resume();
process.stdin.on("end", () => process.exit());
for (let page = 0; page < Number(count); page++) currentPage.run(page, openPage);
