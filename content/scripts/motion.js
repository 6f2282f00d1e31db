/** Whether the visitor asked for less motion; asked each time, because the setting can change while the page is open. */
export function prefersReducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
