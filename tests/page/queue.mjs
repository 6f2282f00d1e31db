/** Events of the code under test, in order. `next` waits for an event, so a test resumes as soon as it happens. */
export class Queue {
  #items = [];
  #readers = [];

  push(item) {
    const reader = this.#readers.shift();
    if (reader) reader(item);
    else this.#items.push(item);
  }

  async next() {
    return this.#items.length > 0 ? this.#items.shift() : new Promise((resolve) => this.#readers.push(resolve));
  }
}
