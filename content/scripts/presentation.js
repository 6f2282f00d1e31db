// Presentation mode: `?present` in the URL, and full screen if the browser allows it. Escape leaves it.

const PARAMETER = "present";

/**
 * @param {HTMLElement} button enters and leaves the mode
 * @param {(presenting: boolean) => void} show
 */
export function setUpPresentation(button, show) {
  let presenting = isPresented(location.search);
  show(presenting);

  /** @param {boolean} wanted */
  function setPresenting(wanted) {
    presenting = wanted;
    history.replaceState(null, "", addressOf(location.href, wanted));
    show(wanted);
    if (wanted) document.documentElement.requestFullscreen?.().catch(() => {}); // if refused, the page fills the window
    // eslint-disable-next-line browsers/calls -- a browser has both or neither
    else if (document.fullscreenElement) void document.exitFullscreen();
  }

  button.addEventListener("click", () => setPresenting(!presenting));

  // In full screen the browser handles Escape: the page gets only this event, no keydown.
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement && presenting) setPresenting(false);
  });
  addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && presenting) setPresenting(false);
  });
}

/** @param {string} search of the URL */
export function isPresented(search) {
  return new URLSearchParams(search).has(PARAMETER);
}

/**
 * The URL with or without `?present`; the rest of it stays.
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
