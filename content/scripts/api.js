// The requests to the app. URLs are relative because the app itself serves the page.

import { parseEndpoint, parseFailure, parseRetryAfter, parseSignIn, parseStats } from "./wire.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./wire.js").Endpoint} Endpoint
 *
 * @typedef {{ recorded: "yes", endpoint: Endpoint, snapshot: Snapshot }} Counted
 * @typedef {{ recorded: "never", endpoint: Endpoint, snapshot: Snapshot }} Ignored to the app it is no visit: a bot's
 * @typedef {{ recorded: "no", error: string, retryAfter: number }} Refused retryAfter: seconds, 0 if the app sent none
 * @typedef {{ recorded: "unknown" }} Unconfirmed
 * @typedef {Counted | Ignored | Refused | Unconfirmed} SignInAnswer
 */

const REQUEST_TIMEOUT = 60_000; // ms; the first request to an idle app waits until an instance has started

/**
 * Posts the visit, with the browser's time zone, by which the app counts countries. Never throws: any result but a
 * clear "yes" or "no" of the app is "unknown", because the app may have counted a request whose response was lost.
 *
 * @param {string} key the same for all attempts at one visit
 * @param {"new" | "returning"} visitor also the same
 * @param {boolean} isRepeated whether the outcome of an earlier attempt is unknown
 * @param {string | null} [slot] of the page, see `presence.js`; null if it is not reported
 * @returns {Promise<SignInAnswer>}
 */
export async function postSignIn(key, visitor, isRepeated, slot = null) {
  try {
    const { timeZone: zone = "" } = Intl.DateTimeFormat().resolvedOptions(); // none if the browser does not know it
    const more = { ...(isRepeated && { repeated: "1" }), ...(slot !== null && { here: slot }) };
    const parameters = new URLSearchParams({ visit: key, visitor, zone, ...more });
    // Chromium repeats a request by itself, a POST too, if a connection that was used before closes before the first
    // byte of the response. Requests without credentials have other connections: as a rule this is the first on its own.
    const { response, body } = await request(`signin?${parameters}`, "POST", "omit");
    if (response.ok) return parseSignIn(body);
    const { error, recorded } = parseFailure(body, response.status);
    if (recorded === "unknown") return { recorded };
    return { recorded, error, retryAfter: parseRetryAfter(response.headers.get("Retry-After")) };
  } catch {
    return { recorded: "unknown" };
  }
}

/**
 * Gets a URL and token for SignalR, without being counted.
 *
 * @returns {Promise<Endpoint>}
 */
export async function negotiate() {
  return parseEndpoint(bodyOf(await request("negotiate", "POST")));
}

/**
 * Reads the statistics, without being counted as a visit.
 *
 * @param {string | null} [slot] as for the sign-in
 */
export async function fetchStats(slot = null) {
  return parseStats(bodyOf(await request(`stats${slot === null ? "" : `?here=${encodeURIComponent(slot)}`}`, "GET")));
}

/**
 * Reports that the page is left. The browser sends it also if it closes the page.
 *
 * @param {string} slot
 */
export function sendLeave(slot) {
  navigator.sendBeacon(`leave?here=${encodeURIComponent(slot)}`);
}

/**
 * A response and its body, which is undefined if it is no JSON.
 *
 * @typedef {{ response: Response, body: unknown }} Answer
 *
 * @param {string} path
 * @param {"GET" | "POST"} method
 * @param {RequestCredentials} [credentials]
 * @returns {Promise<Answer>}
 */
async function request(path, method, credentials) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), REQUEST_TIMEOUT);
  try {
    const response = await fetch(path, { method, credentials, cache: "no-store", signal: controller.signal });
    return { response, body: await response.json().catch(() => undefined) };
  } catch (cause) {
    throw new Error("The app did not answer.", { cause }); // the messages of browsers differ and are less clear
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The body of a successful response; throws the error of any other.
 *
 * @param {Answer} answer
 */
function bodyOf({ response, body }) {
  if (response.ok) return body;
  throw new Error(parseFailure(body, response.status).error);
}
