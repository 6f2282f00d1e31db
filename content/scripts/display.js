// What the page shows of the counter: the newest statistics, their age, milestones, and what does not work.

import { createAnnouncer } from "./announcer.js";
import { LastVisit } from "./last-visit.js";
import { milestoneReached } from "./milestones.js";
import { sleep } from "./retry.js";
import { merge } from "./snapshot.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./view.js").Problem} Problem
 */

export class Display {
  #view;
  #isShown;
  #announce;
  /** @type {Snapshot | null} */
  #latest = null;
  #updatedAt = 0; // ms since 1970
  #isLive = false;
  #lastVisit = new LastVisit();
  /** @type {number | null} */
  #milestone = null;
  /** @type {Problem | null} */
  #signInProblem = null;
  /** @type {Problem | null} */
  #readingProblem = null;

  /**
   * @param {object} options
   * @param {Pick<typeof import("./view.js"),
   *   "announce" | "showMilestone" | "showNews" | "showProblem" | "showSnapshot" | "showState">} options.view
   * @param {() => boolean} options.isShown
   */
  constructor({ view, isShown }) {
    this.#view = view;
    this.#isShown = isShown;
    this.#announce = createAnnouncer({ speak: view.announce, wait: sleep });
  }

  /** @returns {number | null} null before the first statistics */
  get total() {
    return this.#latest?.total ?? null;
  }

  /**
   * @param {Snapshot} next
   * @param {"own visit" | "update" | "reading"} source
   */
  accept(next, source) {
    // The first statistics are no jump, unless they are those of the visitor's own visit.
    const before = this.total ?? (source === "own visit" ? next.total - 1 : next.total);
    if (source !== "reading" && next.total > before) this.#lastVisit.happened();
    this.#updatedAt = Date.now();
    const latest = merge(this.#latest, next);
    this.#show(latest);
    this.#announce(latest.total);
    this.#showProblem();
    this.#milestone = milestoneReached(before, next.total) ?? this.#milestone;
    this.#celebrate();
  }

  /** Call it now and then: the history and the ages advance even without visits. */
  advance() {
    if (this.#latest) this.#show(merge(this.#latest, this.#latest));
  }

  /** @param {import("./connection.js").State} state of the live connection */
  setState(state) {
    this.#isLive = state === "live";
    this.#view.showState(state);
    this.#showNews();
  }

  /** @param {Problem | null} problem of the sign-in; null if there is none any more */
  setSignInProblem(problem) {
    this.#signInProblem = problem;
    this.#showProblem();
  }

  /** @param {Problem} problem why the statistics could not be read; it is shown only while there are none */
  setReadingProblem(problem) {
    this.#readingProblem = problem;
    this.#showProblem();
  }

  /** @param {Snapshot} snapshot */
  #show(snapshot) {
    this.#latest = snapshot;
    this.#view.showSnapshot(snapshot);
    this.#showNews();
  }

  #showNews() {
    if (this.#latest === null) return;
    const { total, history } = this.#latest;
    const [visitAge, updateAge] = [this.#lastVisit.age(history), Date.now() - this.#updatedAt];
    this.#view.showNews({ total, visitAge, updateAge, isLive: this.#isLive });
  }

  #showProblem() {
    this.#view.showProblem(this.#signInProblem ?? (this.#latest ? null : this.#readingProblem));
  }

  /** A page that is hidden celebrates when it is shown, since it then reads. */
  #celebrate() {
    if (this.#milestone === null || !this.#isShown()) return;
    this.#view.showMilestone(this.#milestone);
    this.#milestone = null;
  }
}
