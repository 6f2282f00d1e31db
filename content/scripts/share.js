// Shares the page's URL, by the device's own dialog or by the clipboard.

/**
 * @typedef {{ share?: Navigator["share"], clipboard?: Pick<Clipboard, "writeText"> }} Device part of `navigator`
 * @typedef {"share" | "copy" | "none"} ShareMethod
 * @typedef {"shared" | "copied" | "failed"} Outcome "shared" also if the visitor cancels
 */

/**
 * "none" for a page over plain HTTP: there browsers offer neither.
 *
 * @param {Device} device
 * @returns {ShareMethod}
 */
export function shareMethod(device) {
  if (device.share) return "share";
  return device.clipboard ? "copy" : "none";
}

/**
 * @param {string} url
 * @param {Device} device
 * @returns {Promise<Outcome>}
 */
export async function shareAddress(url, device) {
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
