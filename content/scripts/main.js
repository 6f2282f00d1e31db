// The entry: the page in a browser.

import makeCode from "qrcode-generator";

import { setUpDownloads } from "./download.js";
import { openHub } from "./hub.js";
import { startPage } from "./page.js";
import { isPresented, setUpPresentation } from "./presentation.js";
import { drawCode } from "./qr.js";
import { shareAddress, shareMethod } from "./share.js";
import { Transports } from "./transports.js";
import * as view from "./view.js";
import { isVisit, Memory, navigationType } from "./visitor.js";
import { createWakeLock } from "./wake-lock.js";

// Without them, all requests would fail as if the app did not answer. The notice in the HTML remains.
for (const name of ["fetch", "AbortController"]) {
  if (!(name in window)) throw new Error(`This browser is too old: it has no ${name}.`);
}

const memory = isVisit(location.search, navigationType(window)) ? new Memory(() => localStorage, location.pathname) : null;
const transports = new Transports(() => localStorage);
const isWall = isPresented(location.search);
startPage({ view, openHub, transports, memory, isWall, window, document, navigator }).catch((error) => {
  view.showTooOld(true);
  throw error;
});
view.showTooOld(false);

const address = location.origin + location.pathname;
const code = makeCode(0, "M");
code.addData(address);
code.make();
const drawing = drawCode(code);
view.showAddress(address, drawing);
setUpDownloads(address, drawing, view);

view.showSharing(shareMethod(navigator));
view.shareButton.addEventListener("click", async () => view.showShared(await shareAddress(address, navigator)));
view.posterButton.hidden = typeof print === "undefined"; // as in Firefox for Android before version 114
view.posterButton.addEventListener("click", () => print());
setUpPresentation({
  button: view.presentButton,
  show: view.showPresentation,
  showStillness: view.showStillness,
  keepAwake: createWakeLock(navigator, document),
});
