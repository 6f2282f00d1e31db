// Access to elements.

/**
 * The element that the selector matches; throws if there is none.
 *
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
 * Sets a text, if it has changed: a screen reader would announce the same text again.
 *
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
