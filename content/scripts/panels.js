// The bar charts of the page: one panel for each member of the statistics that is listed here.

import { Bars } from "./bars.js";
import { find } from "./dom.js";

/**
 * @typedef {object} Panel
 * @property {string} key the member of the statistics
 * @property {string} title
 * @property {string} heading of the column of labels, for screen readers
 * @property {boolean} [isShort] whether it has few labels: in the grid it takes half the height
 */

/** @type {readonly Panel[]} */
const PANELS = [
  { key: "byOS", title: "Operating systems", heading: "Operating system" },
  { key: "byDevice", title: "Devices", heading: "Device", isShort: true },
  { key: "byBrowser", title: "Browsers", heading: "Browser" },
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
    PANELS.map(({ key, title, heading, isShort = false }) => {
      const panel = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
      const id = key.replace("by", "by-").toLowerCase();
      const name = find("h2", panel);
      name.id = id;
      name.textContent = title;
      find(".panel", panel).setAttribute("aria-labelledby", id);
      find(".panel", panel).classList.toggle("short", isShort);
      find("table", panel).setAttribute("aria-labelledby", id);
      find("th", panel).textContent = heading;
      const rows = find("tbody", panel);
      rows.dataset.testid = id;
      parent.append(panel);
      return [key, new Bars(rows, barTemplate)];
    }),
  );
}
