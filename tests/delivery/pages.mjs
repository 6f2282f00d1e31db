// Homepages without a browser: `node pages.mjs <url of the app> <number of pages>`.
//
// Each page is the homepage without its elements, and has a SignalR connection of its own by the real client. Each event
// of a page is a line of JSON on standard output: [page, "total", 3] when it shows another number,
// [page, "state", "live"], or [page, "request", "POST signin"]. The process ends with its standard input.

import { AsyncLocalStorage } from "node:async_hooks";

import { openHub } from "../../content/scripts/hub.js";
import { startPage } from "../../content/scripts/page.js";
import { Transports } from "../../content/scripts/transports.js";

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
  let shown;
  const view = {
    announce() {},
    showCounted() {},
    showMilestone() {},
    showNews() {},
    showProblem() {},
    showSnapshot({ total }) {
      if (total !== shown) report("total", total);
      shown = total;
    },
    showState: (state) => report("state", state),
    tryNowButton: new EventTarget(),
  };
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const memory = { visitor: "new", remember() {} };
  const transports = new Transports(() => null);
  const window = new EventTarget();
  const navigator = { onLine: true };
  void startPage({ view, openHub, transports, memory, isWall: false, window, document, navigator });
}

process.stdin.resume();
process.stdin.on("end", () => process.exit());
for (let page = 0; page < Number(count); page++) currentPage.run(page, openPage);
