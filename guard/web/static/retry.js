/** Waiting between attempts: longer each time, never all at once. */

/** Gives the milliseconds to wait: doubling from `first` to `longest`, up to half of it random. */
export class Backoff {
  #first;
  #longest;
  #next;

  constructor(first = 1000, longest = 30_000) {
    this.#first = first;
    this.#longest = longest;
    this.#next = first;
  }

  /** The next wait, at least what the node asked for. */
  next(atLeast = 0) {
    const wait = this.#next * (0.5 + Math.random() / 2);
    this.#next = Math.min(2 * this.#next, this.#longest);
    return Math.max(wait, atLeast);
  }

  /** It worked: begin from the shortest wait. */
  reset() {
    this.#next = this.#first;
  }
}

/** Waits; ends early when the machine comes online, or when `signal` says so. */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}
