// Numbers and times in the format of the visitor's locale.

/**
 * @param {number} count
 * @param {string} [locale]
 */
export function formatCount(count, locale) {
  return new Intl.NumberFormat(locale).format(count);
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

/**
 * An age in whole minutes or hours: "just now", "3 min ago", "2 h ago".
 *
 * @param {number} ms
 */
export function formatAge(ms) {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return "just now";
  return minutes < 60 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`;
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
