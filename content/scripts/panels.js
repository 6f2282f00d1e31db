// The bar charts of the page: one panel for each member of the statistics that is listed here.

import { Bars } from "./bars.js";
import { find } from "./dom.js";
import { formatName } from "./format.js";
import { shares } from "./snapshot.js";

/** @typedef {import("./snapshot.js").Snapshot} Snapshot */

/**
 * @typedef {object} Panel
 * @property {string} key the member of the statistics
 * @property {string} title
 * @property {string} heading of the column of labels, for screen readers
 * @property {"region" | "language"} [codes] what the labels are codes of, if they are; else they are names
 * @property {"short" | "long"} [size] short for at most 4 labels, long for more than 14: their place in the grid
 */

/** @type {readonly Panel[]} */
const PANELS = [
  { key: "byOS", title: "Operating systems", heading: "Operating system" },
  { key: "byDevice", title: "Devices", heading: "Device", size: "short" },
  { key: "byBrowser", title: "Browsers", heading: "Browser" },
  { key: "byCountry", title: "Countries", heading: "Country", codes: "region", size: "long" },
  { key: "byLanguage", title: "Languages", heading: "Language", codes: "language", size: "long" },
];

/**
 * Adds the panels to the page.
 *
 * @param {HTMLElement} parent
 * @param {HTMLTemplateElement} template one panel
 * @param {HTMLTemplateElement} barTemplate one row
 * @returns {Map<string, Bars>} by key
 */
export function addPanels(parent, template, barTemplate) {
  return new Map(
    PANELS.map(({ key, title, heading, codes, size }) => {
      const panel = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
      const id = key.replace("by", "by-").toLowerCase();
      const name = find("h2", panel);
      name.id = id;
      name.textContent = title;
      find(".panel", panel).setAttribute("aria-labelledby", id);
      if (size) find(".panel", panel).classList.add(size);
      find("table", panel).setAttribute("aria-labelledby", id);
      find("th", panel).textContent = heading;
      const rows = find("tbody", panel);
      rows.dataset.testid = id;
      const empty = find(".empty", panel);
      parent.append(panel);
      return [key, new Bars(rows, empty, barTemplate, codes && ((label) => nameOf(label, codes)))];
    }),
  );
}

/**
 * The bars of a panel. Check-ins of which the labels are unknown are "Other".
 *
 * @param {Pick<Snapshot, "total" | "counts">} snapshot
 * @param {string} key
 */
export function sharesOf({ total, counts }, key) {
  return shares(counts[key] ?? { Other: total });
}

/**
 * The bars of all panels as rows of a table, with the names that the panels show.
 *
 * @param {Pick<Snapshot, "total" | "counts">} snapshot
 * @returns {import("./export.js").Row[]}
 */
export function countRows(snapshot) {
  return [
    ["By", "Label", "Check-ins"],
    ...PANELS.flatMap(({ key, heading, codes }) =>
      sharesOf(snapshot, key).map(({ label, count }) => [heading, codes ? nameOf(label, codes) : label, count]),
    ),
  ];
}

/**
 * @param {string} label
 * @param {"region" | "language"} type
 */
function nameOf(label, type) {
  return label === "Other" ? label : formatName(label, type);
}
