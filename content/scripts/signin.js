// Signs in once. All attempts of a visit carry one random key, by which the app recognises them.
//
// After a response that the visit was not recorded, the page just tries again. After any other response, or none, the
// visit may have been recorded, or may still be: the page waits until it is settled, and marks the repetition, so that
// the app looks the key up before it counts.

import { backoff, sleep } from "./retry.js";

/** @typedef {import("./api.js").SignInAnswer} SignInAnswer */

// ms after which an attempt without a response is not committed any more. The app rejects a visit that has waited for
// 10 s, begins no attempt to commit it later than 12 s after that, and gives each attempt 7 s (`committer.py` and
// `table.py` in signin/counting).
export const SETTLED = 30_000;

// ms after the first attempt with unknown outcome. The app looks for visits of the last ten minutes (KEY_SECONDS in
// `deduplicator.py`); a repetition may be on its way for one minute, and the clocks of its processes differ.
export const REPEATABLE = 480_000;

/**
 * @param {object} options
 * @param {(key: string, isRepeated: boolean) => Promise<SignInAnswer>} options.post
 * @param {(answer: SignInAnswer) => void} options.onAnswer called with every answer, also before a retry
 * @param {(ms: number) => Promise<unknown>} [options.wait] may be cut short
 * @param {(ms: number) => Promise<unknown>} [options.settle] waits for the whole time
 * @param {(failures: number) => number} [options.delay]
 * @param {() => number} [options.now] ms; goes on while the device sleeps
 */
export async function signIn({ post, onAnswer, wait = sleep, settle = sleep, delay = backoff, now = Date.now }) {
  const key = makeKey();
  let unknownSince = Infinity;
  for (let failures = 1; ; failures++) {
    const sentAt = now();
    const answer = await post(key, unknownSince !== Infinity);
    onAnswer(answer);
    if (answer.recorded === "yes" || answer.recorded === "never") return;
    if (answer.recorded === "no") {
      // Backoff in addition to Retry-After, so that pages that the app rejected together do not return together.
      await wait(answer.retryAfter * 1_000 + delay(failures));
    } else {
      unknownSince = Math.min(unknownSince, sentAt);
      await settle(SETTLED + delay(failures));
    }
    if (now() - unknownSince > REPEATABLE) return onAnswer({ recorded: "unknown" });
  }
}

/** 128 random bits, in hexadecimal. */
function makeKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
