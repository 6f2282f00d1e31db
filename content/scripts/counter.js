// The big number. It counts up to each new value.

import { formatCount } from "./format.js";
import { prefersReducedMotion } from "./motion.js";

const DURATION = 800; // ms

/**
 * The number at a point of the animation, which is fast at first and then slows down (cubic ease-out).
 *
 * @param {number} from
 * @param {number} to
 * @param {number} progress 0 to 1
 */
export function between(from, to, progress) {
  return Math.round(from + (to - from) * (1 - (1 - progress) ** 3));
}

/**
 * The start of the first animation: a number with as many digits as the value, so that the text keeps its width.
 *
 * @param {number} value
 */
export function smallestOfSameLength(value) {
  return value < 10 ? 0 : 10 ** (String(value).length - 1);
}

export class Counter {
  #element;
  /** @type {number | null} */
  #shown = null;
  #frame = 0;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
  }

  /** @param {number} value */
  show(value) {
    this.#element.dataset.value = String(value);
    this.#element.style.setProperty("--characters", String(formatCount(value).length));
    cancelAnimationFrame(this.#frame);
    if (prefersReducedMotion()) this.#write(value);
    else this.#countUp(this.#shown ?? smallestOfSameLength(value), value, performance.now());
  }

  /**
   * @param {number} from
   * @param {number} to
   * @param {number} start
   */
  #countUp(from, to, start) {
    const progress = Math.min(1, (performance.now() - start) / DURATION);
    this.#write(between(from, to, progress));
    if (progress < 1) this.#frame = requestAnimationFrame(() => this.#countUp(from, to, start));
  }

  /** @param {number} value */
  #write(value) {
    this.#shown = value;
    this.#element.textContent = formatCount(value);
  }
}
