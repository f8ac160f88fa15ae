/** A media session that is begun anew, with growing pauses, whenever it is lost. */

import { Backoff, Problem, pause } from "./api.js";
import { Leg, askIceServers } from "./whip.js";

/**
 * Keeps a WHIP or WHEP session. `start(leg)` publishes or receives. `onState(state, detail)` hears "connecting",
 * "connected", "interrupted", "waiting" (detail: {wait: milliseconds, problem: Problem or null}) and, where trying
 * again is of no use, "refused" (detail: Problem), the last.
 */
export class KeptLeg {
  #url;
  #token;
  #start;
  #onState;
  #leg = null;
  #backoff = new Backoff(1000, 15_000);
  #stop = new AbortController();

  constructor(url, token, start, onState) {
    this.#url = url;
    this.#token = token;
    this.#start = start;
    this.#onState = onState;
  }

  /** Begins, and goes on until `close` or a refusal. */
  async run() {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#onState("connecting");
      const problem = await this.#untilLost(signal);
      if (signal.aborted) return;
      if (problem && !problem.passes) return this.#onState("refused", problem);
      const wait = this.#backoff.next(problem?.retryAfter);
      this.#onState("waiting", { wait, problem });
      await pause(wait, signal);
    }
  }

  /** Ends the session for good; also while the page goes away. */
  close() {
    this.#stop.abort();
    this.#leg?.close();
  }

  /** One session from its beginning until it is lost (null) or did not come about (its Problem). */
  async #untilLost(signal) {
    try {
      const servers = await askIceServers(this.#url, this.#token);
      if (signal.aborted) return null;
      await new Promise((resolve, reject) => {
        signal.addEventListener("abort", resolve);
        this.#leg = new Leg(this.#url, this.#token, servers, (change) => this.#changed(change, resolve));
        this.#start(this.#leg).catch(reject);
      });
      return null;
    } catch (error) {
      this.#leg?.close();
      return error instanceof Problem ? error : new Problem(500, String(error));
    }
  }

  #changed(change, lost) {
    if (change === "lost") return lost();
    if (change === "connected") this.#backoff.reset();
    this.#onState(change);
  }
}
