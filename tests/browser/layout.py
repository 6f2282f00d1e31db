"""Checks that all text of a page can be read: by geometry, and by the pixels of a screenshot.

Axe finds neither text that is covered, cut or outside the window, nor what the colours of a high-contrast theme hide.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from playwright.sync_api import Page

# Text that is shown, with the boxes of its lines. A line is higher than its block if the line height is small, as that
# of the total: its letters do not reach so far. Text for screen readers only is one pixel wide.
_TEXTS = """
const isShown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const texts = [];
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || element.closest("noscript, .visually-hidden") || !isShown(element)) continue;
  let block = element;
  while (getComputedStyle(block).display.startsWith("inline")) block = block.parentElement;
  texts.push({ element, block, node: walker.currentNode });
}
const linesOf = ({ node, block }, start = 0, end = node.length) => {
  const range = document.createRange();
  range.setStart(node, start);
  range.setEnd(node, end);
  const around = block.getBoundingClientRect();
  return [...range.getClientRects()].filter(({ width }) => width > 0).map((line) => {
    const top = Math.max(line.top, around.top);
    return new DOMRect(line.x, top, line.width, Math.min(line.bottom, around.bottom) - top);
  });
};
const nameOf = ({ localName, className, textContent }) =>
  `${localName} ${className.baseVal ?? className} "${textContent.trim().slice(0, 40)}"`;
"""

_FIND_PROBLEMS = (
    "() => {"
    + _TEXTS
    + """
  const problems = new Set();
  const boxes = texts.flatMap((text) => linesOf(text).map((box) => ({ ...text, box })));
  for (const element of document.querySelectorAll("button, .qr, .plot, .bar-track")) {
    if (isShown(element)) boxes.push({ element, block: element, box: element.getBoundingClientRect() });
  }
  const framesOf = new Map();
  /** The boxes that cut what is beyond them. */
  const framesAround = (element) => {
    if (element === document.body) return [];
    if (!framesOf.has(element)) {
      const own = getComputedStyle(element).overflow === "visible" ? [] : [element.getBoundingClientRect()];
      framesOf.set(element, [...own, ...framesAround(element.parentElement)]);
    }
    return framesOf.get(element);
  };
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) problems.add("the page scrolls sideways");
  for (const text of texts) {
    if (text.element.closest(".address, [data-title]")) continue; // may be one word, longer than a line
    for (const { 0: word, index } of text.node.data.matchAll(/[^\\s-]+/g)) {
      const tops = new Set(linesOf(text, index, index + word.length).map(({ top }) => Math.round(top)));
      if (tops.size > 1) problems.add(`broken: ${nameOf(text.element)}`);
    }
  }
  for (const { element, block, box } of boxes) {
    if (box.left < -1 || box.right > width + 1) problems.add(`outside: ${nameOf(element)}`);
    const { left, right } = block.getBoundingClientRect();
    if (box.left < left - 1 || box.right > right + 1) problems.add(`wider than its box: ${nameOf(element)}`);
    for (const frame of framesAround(block)) {
      const beyond = [frame.left - box.left, box.right - frame.right, frame.top - box.top, box.bottom - frame.bottom];
      if (Math.max(...beyond) > 1) problems.add(`cut: ${nameOf(element)}`);
    }
  }
  boxes.forEach(({ element, box }, index) => {
    for (const { element: other, box: otherBox } of boxes.slice(index + 1)) {
      if (element.contains(other) || other.contains(element)) continue;
      const across = Math.min(box.right, otherBox.right) - Math.max(box.left, otherBox.left);
      const down = Math.min(box.bottom, otherBox.bottom) - Math.max(box.top, otherBox.top);
      if (Math.min(across, down) > 1) problems.add(`overlap: ${nameOf(element)} and ${nameOf(other)}`);
    }
  });
  return [...problems];
}"""
)


def layout_problems(page: Page) -> list[str]:
    """Text and drawings that overlap, are cut, or lie outside their box or the window; and text that is missing."""
    problems: list[str] = page.evaluate(_FIND_PROBLEMS)
    return problems


_FIND_INVISIBLE = (
    "async ([png, drawings]) => {"
    + _TEXTS
    + """
  const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes]));
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);

  const luminance = (color) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, channel) => {
    const value = ((color >> (8 * channel)) & 255) / 255;
    return sum + weight * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  }, 0.05);
  /** The share of pixels with this contrast to the most frequent colour. */
  const inkOf = ({ x, y, width, height }, contrast) => {
    const [left, right] = [x, x + width].map((position) => Math.round(position + scrollX));
    const counts = new Map();
    for (let row = Math.round(y + scrollY); row < y + scrollY + height; row++) {
      for (const pixel of pixels.subarray(row * image.width + left, row * image.width + right)) {
        counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
      }
    }
    const [[background]] = [...counts].sort((a, b) => b[1] - a[1]);
    const light = luminance(background);
    let ink = 0;
    for (const [color, count] of counts) {
      const other = luminance(color);
      if (Math.max(light, other) / Math.min(light, other) >= contrast) ink += count;
    }
    return ink / (width * height);
  };
  const isVisible = (text) => [...text.node.data.matchAll(/\\S+/g)].every(({ 0: word, index }) =>
    linesOf(text, index, index + word.length).every((box) => inkOf(box, 4.5) > 0.02));
  const hidden = texts.filter((text) => !isVisible(text)).map(({ element }) => nameOf(element));
  for (const [selector, share] of Object.entries(drawings)) {
    const drawing = [...document.querySelectorAll(selector)].find(isShown);
    const { left, right, top, bottom } = drawing.getBoundingClientRect();
    const text = texts.find(({ element }) => element === drawing);
    const width = (text ? linesOf(text)[0].left : right) - left;
    if (inkOf(new DOMRect(left, top, width, bottom - top), 3) < share) hidden.push(selector);
  }
  return hidden;
}"""
)


# When the page gets another width or other colours, its next frame may still be the old one, and bars slide.
_UNTIL_STILL = """
new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))).then(() => Promise.allSettled(
  document.getAnimations()
    .filter(({ effect }) => effect.getComputedTiming().endTime !== Infinity)
    .map(({ finished }) => finished)
))
"""


def invisible_parts(page: Page, drawings: Mapping[str, float]) -> list[str]:
    """Texts of which a word has too little contrast in a screenshot (4.5:1), and the drawings (3:1).

    `drawings` has the least share of contrasting pixels, 0 to 1, by selector. The drawing of an element with text is
    before the text.

    These are the least contrasts of WCAG 2.2, success criteria 1.4.3 and 1.4.11.
    """
    page.evaluate(_UNTIL_STILL)
    png = base64.b64encode(page.screenshot(full_page=True)).decode()
    invisible: list[str] = page.evaluate(_FIND_INVISIBLE, [png, dict(drawings)])
    return invisible
