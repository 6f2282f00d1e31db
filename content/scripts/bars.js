// A distribution as a bar chart, in a table for screen readers. A row slides to its new place when the order changes.

import { formatCount, formatShare } from "./format.js";
import { prefersReducedMotion } from "./motion.js";

/** @typedef {import("./snapshot.js").Share} Share */

const SLIDE = { duration: 500, easing: "cubic-bezier(0.2, 0.8, 0.2, 1)" };
const GLOW = { duration: 1_500, easing: "ease-in" };
const WIDE = 1_000_000; // a count from here on leaves no room for its label on the same line

export class Bars {
  #rows;
  #empty;
  #template;
  #nameOf;
  /** @type {Map<string, HTMLElement>} */
  #rowOf = new Map();

  /**
   * @param {HTMLElement} rows the table body
   * @param {HTMLElement} empty the text in place of rows
   * @param {HTMLTemplateElement} template one row
   * @param {(label: string) => string} [nameOf] the name that is shown
   */
  constructor(rows, empty, template, nameOf = (label) => label) {
    this.#rows = rows;
    this.#empty = empty;
    this.#template = template;
    this.#nameOf = nameOf;
  }

  /** @param {Share[]} shares in the order to show */
  show(shares) {
    const moving = !prefersReducedMotion();
    this.#empty.hidden = shares.length > 0;
    this.#rows.parentElement?.classList.toggle("wide", shares.some(({ count }) => count >= WIDE));
    this.#keep(new Set(shares.map(({ label }) => label)));
    const places = new Map([...this.#rowOf.values()].map((row) => [row, row.getBoundingClientRect()]));
    shares.forEach((share, position) => {
      const row = this.#rowFor(share.label);
      const grown = row.dataset.count !== undefined && row.dataset.count !== String(share.count);
      row.dataset.count = String(share.count);
      const count = fill(row, ".bar-count", formatCount(share.count));
      fill(row, ".bar-share", formatShare(share.ratio));
      row.style.setProperty("--share", String(share.ratio));
      if (this.#rows.children[position] !== row) this.#rows.insertBefore(row, this.#rows.children[position] ?? null);
      if (grown && moving) count.animate({ color: ["var(--accent)"] }, GLOW);
    });
    if (moving) slide(places);
  }

  /**
   * Removes the rows of all other labels: a label that is not among the 20 largest any more is part of "Other".
   *
   * @param {Set<string>} labels
   */
  #keep(labels) {
    for (const [label, row] of this.#rowOf) {
      if (labels.has(label)) continue;
      row.remove();
      this.#rowOf.delete(label);
    }
  }

  /** @param {string} label */
  #rowFor(label) {
    const known = this.#rowOf.get(label);
    if (known) return known;
    const fragment = /** @type {DocumentFragment} */ (this.#template.content.cloneNode(true));
    const row = /** @type {HTMLElement} */ (fragment.firstElementChild);
    row.dataset.label = label;
    fill(row, ".bar-label", this.#nameOf(label));
    this.#rowOf.set(label, row);
    return row;
  }
}

/**
 * @param {HTMLElement} row
 * @param {string} selector
 * @param {string} text
 */
function fill(row, selector, text) {
  const cell = /** @type {HTMLElement} */ (row.querySelector(selector));
  cell.textContent = text;
  return cell;
}

/**
 * Animates each row that has moved, from its former place.
 *
 * @param {Map<HTMLElement, DOMRect>} places the former places of the rows
 */
function slide(places) {
  for (const [row, before] of places) {
    const after = row.getBoundingClientRect();
    const [x, y] = [before.x - after.x, before.y - after.y];
    if (x || y) row.animate({ transform: [`translate(${x}px, ${y}px)`, "none"] }, SLIDE);
  }
}
