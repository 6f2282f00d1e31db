// Presentation mode: `?present` in the URL, and full screen if the browser allows it. Escape leaves it.

const PARAMETER = "present";
const STILL = 3_000; // ms without a movement, after which the pointer and the button hide

/**
 * @param {object} options
 * @param {HTMLElement} options.button enters and leaves the mode
 * @param {(presenting: boolean) => void} options.show
 * @param {(still: boolean) => void} options.showStillness
 * @param {(wanted: boolean) => void} options.keepAwake
 */
export function setUpPresentation({ button, show, showStillness, keepAwake }) {
  let presenting = isPresented(location.search);
  apply();

  function apply() {
    show(presenting);
    keepAwake(presenting);
  }

  /** @param {boolean} wanted */
  function setPresenting(wanted) {
    presenting = wanted;
    history.replaceState(null, "", addressOf(location.href, wanted));
    apply();
    if (wanted) void enterFullScreen();
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

  const onMovement = watchStillness(showStillness);
  // Chromium sends this event without a movement, too, when the page moves below the pointer.
  addEventListener("pointermove", ({ screenX, screenY }) => onMovement(`${screenX} ${screenY}`));
  for (const event of ["pointerdown", "keydown"]) addEventListener(event, () => onMovement());
  onMovement();
}

/** If it is refused, the page fills the window. Chromium logs an error if a frame asks that may not. */
async function enterFullScreen() {
  if (document.fullscreenEnabled) await document.documentElement.requestFullscreen?.().catch(() => {});
}

/**
 * Reports when there has been no movement for some seconds, and when there is one again.
 *
 * @param {(still: boolean) => void} onChange
 * @returns {(position?: string) => void} call it with the position of the pointer, or without one at other movements
 */
export function watchStillness(onChange) {
  let timer = 0;
  let last = "";
  return (position = "") => {
    if (position && position === last) return;
    last = position || last;
    onChange(false);
    clearTimeout(timer);
    timer = setTimeout(onChange, STILL, true);
  };
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
