// Passing the address on: by what the device offers for it, else by the clipboard.

/**
 * @typedef {{ share?: Navigator["share"], clipboard?: Pick<Clipboard, "writeText"> }} Device `navigator`, or a part of it
 * @typedef {"share" | "copy" | "none"} Way
 * @typedef {"shared" | "copied" | "failed"} Outcome "shared" also when the visitor has thought better of it
 */

/**
 * Browsers offer neither to a page that came over plain http.
 *
 * @param {Device} device
 * @returns {Way}
 */
export function wayToShare(device) {
  if (device.share) return "share";
  return device.clipboard ? "copy" : "none";
}

/**
 * @param {string} url
 * @param {Device} device
 * @returns {Promise<Outcome>}
 */
export async function passOn(url, device) {
  try {
    if (device.share) {
      await device.share({ url });
      return "shared";
    }
    if (!device.clipboard) return "failed";
    await device.clipboard.writeText(url);
    return "copied";
  } catch (error) {
    return error instanceof Error && error.name === "AbortError" ? "shared" : "failed";
  }
}
