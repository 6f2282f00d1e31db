// Being counted once. A visit is asked for again only when the app said that it did not record it; after any other
// answer, or none, it may have been, and a second request could count it twice.

import { backoff, sleep } from "./retry.js";

/** @typedef {import("./api.js").SignInAnswer} SignInAnswer */

/**
 * @param {object} options
 * @param {() => Promise<SignInAnswer>} options.post
 * @param {(answer: SignInAnswer) => void} options.onAnswer told of every answer, also of those that lead to a retry
 * @param {(ms: number) => Promise<unknown>} [options.wait]
 * @param {(failures: number) => number} [options.delay]
 */
export async function signIn({ post, onAnswer, wait = sleep, delay = backoff }) {
  for (let failures = 1; ; failures++) {
    const answer = await post();
    onAnswer(answer);
    if (answer.recorded !== "no") return;
    // On top of what the app asks for: those it turned away together shall not return together.
    await wait(answer.retryAfter * 1_000 + delay(failures));
  }
}
