// The entry: the page in a browser.

import makeCode from "qrcode-generator";

import { openHub } from "./hub.js";
import { startPage } from "./page.js";
import { setUpPresentation } from "./presentation.js";
import { shareAddress, shareMethod } from "./share.js";
import { Transports } from "./transports.js";
import * as view from "./view.js";
import { isVisit, Memory, navigationType } from "./visitor.js";

const memory = isVisit(location.search, navigationType(performance)) ? new Memory(() => localStorage, location.pathname) : null;
const transports = new Transports(() => localStorage);
void startPage({ view, openHub, transports, memory, window, document, navigator });

const address = location.origin + location.pathname;
const code = makeCode(0, "M");
code.addData(address);
code.make();
view.showAddress(address, code);

view.showSharing(shareMethod(navigator));
view.shareButton.addEventListener("click", async () => view.showShared(await shareAddress(address, navigator)));
setUpPresentation(view.presentButton, view.showPresentation);
