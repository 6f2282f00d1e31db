// The celebration of a milestone: rings and drops spread from the number, behind everything else on the page, so that no
// text is covered and the QR code can be scanned.

import { prefersReducedMotion } from "./motion.js";

const RINGS = 5;
const DROPS = 80;
const DURATION = 5_000; // ms

/**
 * Shows the celebration once; nothing moves if the visitor wants less motion.
 *
 * @param {HTMLElement} number
 */
export function splash(number) {
  if (prefersReducedMotion()) return;
  number.animate({ transform: ["none", "scale(1.06)", "none"] }, { duration: 900, easing: "ease-in-out" });

  const { left, top, width, height } = number.getBoundingClientRect();
  const layer = add(document.body, "splash");
  const centre = add(layer, "splash-centre");
  centre.style.left = `${left + width / 2}px`;
  centre.style.top = `${top + height / 2}px`;
  layer.setAttribute("aria-hidden", "true");

  for (let ring = 0; ring < RINGS; ring++) {
    add(centre, "splash-ring").animate(
      { transform: ["scale(0.04)", "scale(1)"], opacity: [0, 0.9, 0.6, 0] },
      { duration: DURATION * 0.7, delay: ring * 300, easing: "cubic-bezier(0.3, 0.5, 0.6, 1)", fill: "both" },
    );
  }
  for (let drop = 0; drop < DROPS; drop++) {
    const angle = (drop / DROPS) * 2 * Math.PI;
    const distance = 0.15 + 0.55 * Math.random(); // of the window, so that the drops fill a phone and a wall
    const [x, y] = [Math.cos(angle) * distance * innerWidth, Math.sin(angle) * distance * innerHeight];
    add(centre, `splash-drop splash-drop-${drop % 3}`).animate(
      [
        { transform: "scale(0)", opacity: 0.9, easing: "cubic-bezier(0.1, 0.6, 0.3, 1)" },
        { transform: `translate(${x}px, ${y}px) scale(${0.5 + Math.random()})`, opacity: 0.9, offset: 0.5, easing: "ease-in" },
        { transform: `translate(${x * 1.08}px, ${y + 0.15 * innerHeight}px) scale(0.2)`, opacity: 0 },
      ],
      { duration: DURATION * (0.6 + 0.4 * Math.random()), delay: 150 * Math.random(), fill: "both" },
    );
  }
  setTimeout(() => layer.remove(), DURATION + 500);
}

/**
 * @param {HTMLElement} parent
 * @param {string} className
 */
function add(parent, className) {
  const element = document.createElement("div");
  element.className = className;
  parent.append(element);
  return element;
}
