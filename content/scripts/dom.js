// Looking up elements that have to be there.

/**
 * @param {string} selector
 * @param {ParentNode} [within]
 * @returns {HTMLElement}
 */
export function find(selector, within = document) {
  const element = within.querySelector(selector);
  if (!element) throw new Error(`The page has no ${selector}.`);
  return /** @type {HTMLElement} */ (element);
}

/**
 * Leaves a text that has not changed alone, or a screen reader would announce it again.
 *
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
