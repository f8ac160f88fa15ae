/** Tokens, requests, and waiting between them. Tokens come in the address' fragment, which no browser sends. */

const KEY = `guard.token:${location.pathname}`;
let kept = "";

/** A request that did not work; `status` is 0 where no answer came. */
export class Problem extends Error {
  constructor(status, detail, retryAfter = 0) {
    super(detail);
    this.name = "Problem";
    this.status = status;
    /** Milliseconds after which the node wants to be asked again; 0 where it did not say. */
    this.retryAfter = retryAfter;
  }

  /** Whether asking again with the same token may work. */
  get passes() {
    return [0, 408, 429].includes(this.status) || this.status >= 500;
  }
}

/** The token of the fragment, which is then removed from the address, or the one kept from before. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given !== null) {
    history.replaceState(history.state, "", location.pathname + location.search);
    keepToken(given);
  }
  return recall();
}

/** Keeps a token, or that of a whole link, for this tab and page, so that a reload works. */
export function keepToken(text) {
  kept = text.split("#token=").at(-1).trim();
  try {
    sessionStorage.setItem(KEY, kept);
  } catch {
    // storage is switched off: the page works until it is reloaded
  }
}

function recall() {
  try {
    return sessionStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
}

/** A link with another token, opened in this tab, changes the fragment only: begin anew with it. */
export function reloadOnNewToken() {
  addEventListener("hashchange", () => {
    if (location.hash.startsWith("#token=")) location.reload();
  });
}

/** What a token says of itself, unchecked, for friendlier words; null where it is none. The node checks it. */
export function claims(token) {
  try {
    const coded = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(coded), (character) => character.charCodeAt(0));
    const read = JSON.parse(new TextDecoder().decode(bytes));
    const { room = "", publish, subscribe, admin } = read.guard;
    return {
      name: String(read.name || read.sub),
      room: String(room),
      publish: publish === true,
      subscribe: subscribe === true,
      admin: admin === true,
    };
  } catch {
    return null;
  }
}

/** Sends a request of ours; raises Problem for every answer but a good one. */
export async function call(method, path, { token = "", headers = {}, ...options } = {}) {
  const authorisation = token ? { Authorization: `Bearer ${token}` } : {};
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...headers, ...authorisation },
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      ...options,
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, "no answer");
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** Asks for JSON, with a JSON body where one is given. */
export async function json(method, path, { token, body } = {}) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const sent = body === undefined ? undefined : JSON.stringify(body);
  return (await call(method, path, { token, headers, body: sent })).json();
}

async function problemOf(response) {
  const wait = Number(response.headers.get("Retry-After"));
  const body = await response.json().catch(() => ({}));
  const detail = typeof body.detail === "string" ? body.detail : response.statusText;
  return new Problem(response.status, detail, wait > 0 ? wait * 1000 : 0);
}

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
