// Draws a QR code as one SVG path.

const QUIET_ZONE = 4; // white modules on each side, required by ISO/IEC 18004

/**
 * @typedef {object} Code a finished code of the qrcode-generator library
 * @property {() => number} getModuleCount
 * @property {(row: number, column: number) => boolean} isDark
 *
 * @typedef {{ size: number, path: string }} Drawing `size` of the square view box, in modules, with the quiet zone
 */

/**
 * @param {Code} code
 * @returns {Drawing}
 */
export function drawCode(code) {
  const count = code.getModuleCount();
  let path = "";
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; column++) {
      if (code.isDark(row, column)) path += `M${column + QUIET_ZONE} ${row + QUIET_ZONE}h1v1h-1z`;
    }
  }
  return { size: count + 2 * QUIET_ZONE, path };
}
