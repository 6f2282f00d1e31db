// Visits over time as columns. A range input lies over them, so that a visitor can select a column by mouse, finger or
// keyboard and read its count.

import { find, write } from "./dom.js";
import { formatCheckIns, formatCount, formatTime } from "./format.js";
import { INTERVAL, shown } from "./history.js";

/**
 * @typedef {import("./history.js").History} History
 * @typedef {import("./history.js").Range} Range
 * @typedef {import("./history.js").Series} Series
 */

const HEIGHT = 100; // units of the view box; a column is one unit wide
const MIN_COLUMN_HEIGHT = 2; // units, so that one visit is visible beside thousands

/** @type {Record<Range, string>} */
const PERIODS = { minutes: "in the last hour", hours: "in the last two days", days: "in the last year" };

/**
 * The outline of columns as the data of an SVG path.
 *
 * @param {readonly number[]} counts
 * @param {number} peak count whose column has the full height
 * @param {number} gap between columns, as a fraction of their width
 * @param {number} [first] position of the first column
 */
export function columns(counts, peak, gap, first = 0) {
  return counts
    .map((count, index) => {
      if (count === 0) return "";
      const top = HEIGHT - Math.max(MIN_COLUMN_HEIGHT, (count / peak) * HEIGHT);
      return `M${first + index + gap / 2} ${HEIGHT}V${Math.round(top * 10) / 10}h${1 - gap}V${HEIGHT}z`;
    })
    .join("");
}

export class HistoryChart {
  #parts;
  /** @type {Range} */
  #range = "minutes";
  /** @type {History | null} */
  #history = null;
  /** @type {number | null} index of the selected column */
  #selected = null;

  /** @param {HTMLElement} panel */
  constructor(panel) {
    this.#parts = {
      reading: find(".reading", panel),
      plot: find(".plot", panel),
      drawing: find(".plot svg", panel),
      columns: find(".columns", panel),
      selected: find(".selected", panel),
      peak: find(".peak", panel),
      cursor: /** @type {HTMLInputElement} */ (find(".cursor", panel)),
      axis: find(".axis", panel),
      details: /** @type {HTMLDetailsElement} */ (find("details", panel)),
      rows: find("tbody", panel),
    };
    find(".ranges", panel).addEventListener("change", ({ target }) => {
      this.#range = /** @type {Range} */ (/** @type {HTMLInputElement} */ (target).value);
      this.#select(null);
    });
    this.#listen();
  }

  /** @param {History} history */
  show(history) {
    this.#history = history;
    this.#draw();
  }

  /** The series in the chart and its range; null as long as there is none. */
  get shown() {
    return this.#history && { range: this.#range, series: shown(this.#history, this.#range) };
  }

  #listen() {
    const { plot, cursor, details } = this.#parts;
    cursor.addEventListener("input", () => this.#select(cursor.valueAsNumber));
    cursor.addEventListener("blur", () => this.#select(null));
    plot.addEventListener("pointermove", ({ clientX, pointerType }) => {
      if (pointerType !== "mouse") return;
      const { left, right, width } = plot.getBoundingClientRect();
      const fromStart = getComputedStyle(plot).direction === "rtl" ? right - clientX : clientX - left;
      const last = Number(cursor.max);
      this.#select(Math.min(last, Math.floor((fromStart / width) * (last + 1))));
    });
    plot.addEventListener("pointerleave", () => this.#select(null));
    details.addEventListener("toggle", () => this.#draw());
  }

  /** @param {number | null} index */
  #select(index) {
    this.#selected = index;
    this.#draw();
  }

  #draw() {
    if (!this.#history) return;
    const series = shown(this.#history, this.#range);
    this.#drawColumns(series);
    this.#readOut(series);
    if (this.#parts.details.open) this.#tabulate(series);
  }

  /** @param {Series} series */
  #drawColumns(series) {
    const { plot, drawing, columns: all, selected, peak, axis } = this.#parts;
    const { counts } = series;
    const highest = Math.max(...counts);
    const gap = counts.length > 100 ? 0 : 0.3;

    plot.dataset.counts = counts.join(" ");
    drawing.setAttribute("viewBox", `0 0 ${counts.length} ${HEIGHT}`);
    all.setAttribute("d", columns(counts, highest, gap));
    const marked = this.#selected === null ? [] : [counts[this.#selected] || highest / HEIGHT];
    selected.setAttribute("d", columns(marked, highest, gap, this.#selected ?? 0));
    write(peak, highest > 0 ? formatCount(highest) : "");

    const [begin, middle, end] = axis.children;
    write(begin, this.#time(series, 0));
    write(middle, this.#time(series, Math.floor(counts.length / 2)));
    write(end, "now");
  }

  /**
   * Writes the selected column as text, or the sum of all columns if none is selected.
   *
   * @param {Series} series
   */
  #readOut(series) {
    const { cursor, reading } = this.#parts;
    const place = this.#selected ?? series.counts.length - 1;
    const words = `${this.#time(series, place)}: ${formatCheckIns(series.counts[place])}`;
    cursor.max = String(series.counts.length - 1);
    cursor.value = String(place);
    cursor.setAttribute("aria-valuetext", words);

    const sum = series.counts.reduce((subtotal, count) => subtotal + count, 0);
    write(reading, this.#selected === null ? `${formatCheckIns(sum)} ${PERIODS[this.#range]}` : words);
  }

  /**
   * @param {Series} series
   * @param {number} index
   */
  #time({ start }, index) {
    return formatTime(start + index * INTERVAL[this.#range], this.#range);
  }

  /**
   * Fills the table, newest first, without the intervals that have no visits. It reuses the rows, so that a screen
   * reader keeps its place.
   *
   * @param {Series} series
   */
  #tabulate(series) {
    const { rows } = this.#parts;
    const visited = [...series.counts.keys()].filter((index) => series.counts[index] > 0).reverse();
    while (rows.children.length > visited.length) rows.lastElementChild?.remove();
    while (rows.children.length < visited.length) rows.append(emptyRow());
    visited.forEach((index, position) => {
      const [time, count] = rows.children[position].children;
      write(time, this.#time(series, index));
      write(count, formatCount(series.counts[index]));
    });
  }
}

function emptyRow() {
  const row = document.createElement("tr");
  const heading = document.createElement("th");
  heading.setAttribute("scope", "row");
  row.append(heading, document.createElement("td"));
  return row;
}
