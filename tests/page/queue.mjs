/** What happened, to be awaited in order: a test goes on exactly when the code under test has come so far. */
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
