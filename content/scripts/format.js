// Numbers as the visitor's own locale writes them.

/**
 * @param {number} count
 * @param {string} [locale]
 */
export function formatCount(count, locale) {
  return new Intl.NumberFormat(locale).format(count);
}

/**
 * A whole percentage; but what is neither nothing nor everything is not rounded to 0 % or to 100 %.
 *
 * @param {number} ratio 0 to 1
 * @param {string} [locale]
 */
export function formatShare(ratio, locale) {
  const percent = new Intl.NumberFormat(locale, { style: "percent" });
  if (ratio > 0 && ratio < 0.01) return `<${percent.format(0.01)}`;
  if (ratio > 0.99 && ratio < 1) return `>${percent.format(0.99)}`;
  return percent.format(ratio);
}
