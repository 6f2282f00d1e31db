// Signs in once. The page posts a visit again only if the app responded that it did not record it. After any other
// response, or none, the visit may have been recorded, and a second request could count it twice.

import { backoff, sleep } from "./retry.js";

/** @typedef {import("./api.js").SignInAnswer} SignInAnswer */

/**
 * @param {object} options
 * @param {() => Promise<SignInAnswer>} options.post
 * @param {(answer: SignInAnswer) => void} options.onAnswer called with every answer, also before a retry
 * @param {(ms: number) => Promise<unknown>} [options.wait]
 * @param {(failures: number) => number} [options.delay]
 */
export async function signIn({ post, onAnswer, wait = sleep, delay = backoff }) {
  for (let failures = 1; ; failures++) {
    const answer = await post();
    onAnswer(answer);
    if (answer.recorded !== "no") return;
    // Backoff in addition to Retry-After, so that pages that the app rejected together do not return together.
    await wait(answer.retryAfter * 1_000 + delay(failures));
  }
}
