// Which loads of the page are visits, and what the browser remembers of them: one word for each folder, and nothing
// that identifies a visitor.

import { isPresented } from "./presentation.js";

const WORD = "counted";
const TYPE_BACK_FORWARD = 2; // of the older interface PerformanceNavigation

/**
 * Whether a load of the page is a visit. A presentation that is opened as such is a wall, and no visitor. A page to which
 * the browser goes back or forward was loaded before.
 *
 * @param {string} search of the page's URL
 * @param {string | undefined} type of the navigation
 */
export function isVisit(search, type) {
  return !isPresented(search) && type !== "back_forward";
}

/**
 * How the browser came to the page: "navigate", "reload", "back_forward" or "prerender". It is "back_forward" too for a
 * tab that is duplicated, opened again, or restored with the others when the browser starts.
 *
 * @param {object} window
 * @param {Pick<Performance, "getEntriesByType"> & { navigation?: { type: number } }} window.performance
 * @param {object} window.document
 * @returns {string | undefined}
 */
export function navigationType({ performance, document }) {
  // Chromium had closed the page to free memory, and loads it again when its tab is shown.
  if ("wasDiscarded" in document && document.wasDiscarded) return "back_forward";
  const [entry] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  if (entry) return entry.type;
  return performance.navigation?.type === TYPE_BACK_FORWARD ? "back_forward" : undefined; // Safari before 15
}

/** Remembers that a visit of this browser was counted. Several rooms share one origin, so each folder has an entry. */
export class Memory {
  #storage;
  #key;

  /**
   * @param {() => Pick<Storage, "getItem" | "setItem">} storage throws if the browser forbids it
   * @param {string} path of the page
   */
  constructor(storage, path) {
    this.#storage = storage;
    this.#key = `visit ${path.slice(0, path.lastIndexOf("/") + 1)}`;
  }

  /** @returns {"new" | "returning"} new also if the browser remembers nothing */
  get visitor() {
    try {
      return this.#storage().getItem(this.#key) === WORD ? "returning" : "new";
    } catch {
      return "new";
    }
  }

  /** Call it when the app has counted the visit: a visitor whose visit failed is still new. */
  remember() {
    try {
      this.#storage().setItem(this.#key, WORD);
    } catch {
      // Forbidden or full: the next visit is by a new visitor.
    }
  }
}
