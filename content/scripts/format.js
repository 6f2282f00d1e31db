// Numbers and times in the format of the visitor's locale.

import { INTERVAL } from "./history.js";

/**
 * @param {number} count
 * @param {string} [locale]
 */
export function formatCount(count, locale) {
  return count.toLocaleString(locale); // browsers keep its formatter, and the total is formatted in each frame
}

/**
 * A count with its noun.
 *
 * @param {number} count
 * @param {string} [locale]
 */
export function formatCheckIns(count, locale) {
  return `${formatCount(count, locale)} ${count === 1 ? "check-in" : "check-ins"}`;
}

/**
 * The line below the total: how many people the check-ins are by, if that is known. A browser that was not here before is
 * a person. Of clients that do not report it, and of visits from before it was counted, it is unknown.
 *
 * @param {number} total
 * @param {import("./snapshot.js").Counts} [visitors] by label
 * @param {string} [locale]
 */
export function formatCaption(total, visitors = {}, locale) {
  if (total === 0) return "check-ins: be the first";
  if (total === 1) return "check-in, the very first";
  const { New: people = 0, Other: unknown = 0 } = visitors;
  if (people === 0) return "check-ins and counting";
  const noun = people === 1 ? "person" : "people";
  return `check-ins by ${unknown > 0 ? "at least " : ""}${formatCount(people, locale)} ${noun}`;
}

/**
 * A whole percentage. Only 0 is shown as 0 % and only 1 as 100 %; values near them are <1 % and >99 %.
 *
 * @param {number} ratio 0 to 1
 * @param {string} [locale]
 */
export function formatShare(ratio, locale) {
  const percent = new Intl.NumberFormat(locale, { style: "percent" });
  if (ratio > 0 && ratio < 0.01) return `<${percent.format(0.01)}`;
  if (ratio > 0.99 && ratio < 1) return `>${percent.format(0.99)}`;
  return percent.format(ratio);
}

/**
 * The name of a country or language in the visitor's own language; the code if the browser does not know it.
 *
 * @param {string} code
 * @param {"region" | "language"} type
 * @param {string} [locale]
 */
export function formatName(code, type, locale) {
  try {
    // eslint-disable-next-line browsers/calls -- Safari 14.0 lacks it, and shows the code
    return new Intl.DisplayNames(locale, { type }).of(code) ?? code;
  } catch {
    return code;
  }
}

const { minutes: MINUTE, hours: HOUR, days: DAY } = INTERVAL;

/**
 * An age in whole minutes, hours or days: "just now", "3 minutes ago", "1 hour ago".
 *
 * @param {number} ms
 */
export function formatAge(ms) {
  if (ms < MINUTE) return "just now";
  const ago = new Intl.RelativeTimeFormat("en");
  if (ms < HOUR) return ago.format(-Math.floor(ms / MINUTE), "minute");
  return ms < 2 * DAY ? ago.format(-Math.floor(ms / HOUR), "hour") : ago.format(-Math.floor(ms / DAY), "day");
}

/**
 * The text beside the state of the connection: when the last visit was. A page that is cut off does not know that, so it
 * shows how old its numbers are.
 *
 * @param {object} news
 * @param {number} news.total
 * @param {number | null} news.visitAge ms since the last visit; null means unknown
 * @param {number} news.updateAge ms since the last response or update
 * @param {boolean} news.isLive
 */
export function formatNews({ total, visitAge, updateAge, isLive }) {
  if (!isLive && updateAge >= MINUTE) return `updated ${formatAge(updateAge)}`;
  if (total === 0) return "no check-in yet";
  return visitAge === null ? "" : `last check-in ${formatAge(visitAge)}`;
}

/** @type {Record<import("./history.js").Range, Intl.DateTimeFormatOptions>} */
const TIMES = {
  minutes: { hour: "2-digit", minute: "2-digit" },
  hours: { weekday: "short", hour: "2-digit", minute: "2-digit" },
  days: { day: "numeric", month: "short", timeZone: "UTC" }, // the app counts days in UTC
};

/**
 * The start of an interval, precise enough to distinguish it from its neighbours.
 *
 * @param {number} time ms since 1970
 * @param {import("./history.js").Range} range
 * @param {string} [locale]
 */
export function formatTime(time, range, locale) {
  return new Intl.DateTimeFormat(locale, TIMES[range]).format(time);
}
