// The page on the big screen: `?present` in the address, full screen where it can be had. Escape leaves it.

const PARAMETER = "present";

/**
 * @param {HTMLElement} button enters and leaves
 * @param {(presenting: boolean) => void} show
 */
export function setUpPresentation(button, show) {
  let presenting = new URLSearchParams(location.search).has(PARAMETER);
  show(presenting);

  /** @param {boolean} wanted */
  function turn(wanted) {
    presenting = wanted;
    history.replaceState(null, "", addressOf(location.href, wanted));
    show(wanted);
    if (wanted) document.documentElement.requestFullscreen?.().catch(() => {}); // without, it fills the window
    else if (document.fullscreenElement) void document.exitFullscreen();
  }

  button.addEventListener("click", () => turn(!presenting));

  // In full screen Escape goes to the browser, and this is all that a page gets to know of it.
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement && presenting) turn(false);
  });
  addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && presenting) turn(false);
  });
}

/**
 * The page's address with or without `?present`, and whatever else is in it.
 *
 * @param {string} href
 * @param {boolean} presenting
 */
export function addressOf(href, presenting) {
  const { origin, pathname, search, hash } = new URL(href);
  const others = search.slice(1).split("&").filter((part) => part && part.split("=")[0] !== PARAMETER);
  const query = [...(presenting ? [PARAMETER] : []), ...others].join("&");
  return `${origin}${pathname}${query && `?${query}`}${hash}`;
}
