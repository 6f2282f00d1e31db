/** Whether the visitor wants less motion. Queried each time: the setting can change while the page is open. */
export function prefersReducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
