/** Server-sent events read with fetch(), so that the token travels in a header and not in an address. */

import { Backoff, Problem, call, pause } from "./api.js";

/** Characters of an event that has not ended; more is no stream of ours. */
const LONGEST = 4_194_304;

/** Without a byte for so long (the node sends a comment every 15 s) the connection counts as lost. */
const SILENCE_MS = 40_000;

/** A page that cannot keep up with the events is not told everything anew more often than this. */
const MISSED_MS = 3000;

/** Cuts text into events (HTML standard, section 9.2.6) wherever the pieces of text begin and end. */
export class EventParser {
  #rest = "";
  #type = "";
  #lines = [];
  #begun = false;
  #held = 0;

  /** Takes the next piece; returns the events that it completes, as {type, data}. */
  push(piece) {
    let text = this.#rest + piece;
    if (!this.#begun && text) {
      this.#begun = true;
      text = text.replace(/^\uFEFF/, "");
    }
    const events = [];
    let from = 0;
    // a CR that ends the text may be half of a CRLF: it waits for the next piece
    for (const end of text.matchAll(/\r\n|\n|\r(?!$)/g)) {
      this.#take(text.slice(from, end.index), events);
      from = end.index + end[0].length;
    }
    this.#rest = text.slice(from);
    if (this.#rest.length + this.#held > LONGEST) throw new Problem(0, "an event has no end");
    return events;
  }

  #take(line, events) {
    if (line === "") return this.#end(events);
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#type = value;
    if (field === "data") {
      this.#lines.push(value);
      this.#held += value.length;
    }
  }

  #end(events) {
    if (this.#lines.length) events.push({ type: this.#type || "message", data: this.#lines.join("\n") });
    this.#type = "";
    this.#lines = [];
    this.#held = 0;
  }
}

/** The events of a response's body, until it ends; raises Problem after a long silence. */
export async function* readEvents(body, silence = SILENCE_MS) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await within(silence, reader.read());
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function within(milliseconds, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Problem(0, "the service is silent")), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Follows a stream of events and connects again whenever it ends, until `signal` says stop; also where events were
 * missed, since every stream begins with how everything is. `onEvent(type, data)` gets each event with its JSON read;
 * `onState(state, detail)` hears what it does of a KeptLeg.
 */
export async function follow(path, { token, onEvent, onState, signal }) {
  const backoff = new Backoff();
  while (!signal.aborted) {
    onState("connecting");
    let problem = null;
    let atLeast = 0;
    try {
      atLeast = await listen(path, token, signal, (type, event) => {
        backoff.reset();
        onState("connected");
        onEvent(type, event);
      });
    } catch (error) {
      if (error instanceof Problem) problem = error;
      else if (!signal.aborted) console.warn("the stream broke off:", error);
    }
    if (signal.aborted) return;
    if (problem && !problem.passes) return onState("refused", problem);
    const wait = backoff.next(problem?.retryAfter ?? atLeast);
    onState("waiting", { wait, problem });
    await pause(wait, signal);
  }
}

/** Hands the events of one stream on; returns how long to wait at least before the next one. */
async function listen(path, token, signal, take) {
  const response = await call("GET", path, { token, signal, headers: { Accept: "text/event-stream" } });
  for await (const { type, data } of readEvents(response.body)) {
    if (type === "dropped") return MISSED_MS;
    take(type, JSON.parse(data));
  }
  return 0;
}
