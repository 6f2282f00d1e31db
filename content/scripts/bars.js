// A distribution as a list of bars: readable as a plain list, and each bar slides to its place when the order changes.

import { formatCount, formatShare } from "./format.js";
import { prefersReducedMotion } from "./motion.js";

/** @typedef {import("./snapshot.js").Share} Share */

const SLIDE = { duration: 500, easing: "cubic-bezier(0.2, 0.8, 0.2, 1)" };

export class Bars {
  #list;
  #template;
  /** @type {Map<string, HTMLElement>} */
  #items = new Map();

  /**
   * @param {HTMLElement} list
   * @param {HTMLTemplateElement} template of one item
   */
  constructor(list, template) {
    this.#list = list;
    this.#template = template;
  }

  /** @param {Share[]} shares in the order to show */
  show(shares) {
    const places = new Map([...this.#items.values()].map((item) => [item, item.getBoundingClientRect()]));
    shares.forEach((share, position) => {
      const item = this.#itemFor(share.label);
      item.dataset.count = String(share.count);
      fill(item, ".bar-count", formatCount(share.count));
      fill(item, ".bar-share", formatShare(share.ratio));
      item.style.setProperty("--share", String(share.ratio));
      if (this.#list.children[position] !== item) this.#list.insertBefore(item, this.#list.children[position] ?? null);
    });
    if (!prefersReducedMotion()) slide(places);
  }

  /** @param {string} label */
  #itemFor(label) {
    const known = this.#items.get(label);
    if (known) return known;
    const fragment = /** @type {DocumentFragment} */ (this.#template.content.cloneNode(true));
    const item = /** @type {HTMLElement} */ (fragment.firstElementChild);
    item.dataset.label = label;
    fill(item, ".bar-label", label);
    this.#items.set(label, item);
    return item;
  }
}

/**
 * @param {HTMLElement} item
 * @param {string} selector
 * @param {string} text
 */
function fill(item, selector, text) {
  /** @type {HTMLElement} */ (item.querySelector(selector)).textContent = text;
}

/**
 * Lets each item that has moved glide there from where it was.
 *
 * @param {Map<HTMLElement, DOMRect>} places where the items were
 */
function slide(places) {
  for (const [item, before] of places) {
    const after = item.getBoundingClientRect();
    const [x, y] = [before.x - after.x, before.y - after.y];
    if (x || y) item.animate({ translate: [`${x}px ${y}px`, "0 0"] }, SLIDE);
  }
}
