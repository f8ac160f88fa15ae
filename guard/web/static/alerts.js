/** The alerts: open ones first, newest on top; closed ones folded away. */

import { json } from "./api.js";
import { byId, element, setText, shape } from "./dom.js";
import { CLOSINGS, CUES, FAMILIES, REASONS, SEVERITIES, clock, explain, percent, sentence, words } from "./words.js";

/** Closed alerts shown; older ones are left out, GET /v1/alerts has them. */
const CLOSED = 50;

/**
 * Alerts by id. `say(text)` tells news to whoever does not see the page; `onCount(open)` hears how many are
 * open.
 */
export class Alerts {
  #token;
  #say;
  #onCount;
  #shown = new Map();

  constructor(token, say, onCount) {
    this.#token = token;
    this.#say = say;
    this.#onCount = onCount;
  }

  /** Takes the open alerts as the node has them now: one that was open and is not among them no longer is. */
  setOpen(alerts) {
    const ids = new Set(alerts.map((alert) => alert.id));
    for (const [id, { alert }] of this.#shown) if (alert.status === "open" && !ids.has(id)) this.#forget(id);
    this.add(alerts);
  }

  /** Takes some as they are now, without a word. */
  add(alerts) {
    for (const alert of alerts) this.#show(alert);
    this.#count();
  }

  /** Takes one as it is now, and tells of it where it is news. */
  put(alert) {
    const status = () => this.#shown.get(alert.id)?.alert.status;
    const before = status();
    this.add([alert]);
    if (before === status()) return;
    const what = alert.status === "open" ? words(SEVERITIES, alert.severity) : "closed";
    this.#say(`Alert, ${what}: ${alert.text}`);
  }

  /** Answers and events overtake each other: what is older than what is shown is left out. */
  #show(alert) {
    const before = this.#shown.get(alert.id);
    if (before && new Date(alert.updated_at) < new Date(before.alert.updated_at)) return;
    if (before && JSON.stringify(before.alert) === JSON.stringify(alert)) return;
    const root = card(alert, (reason) => this.#acknowledge(alert.id, reason));
    if (before?.alert.status === alert.status) replace(before.root, root);
    else {
      before?.root.remove();
      insert(byId(alert.status === "open" ? "open-alerts" : "closed-alerts"), root);
    }
    this.#shown.set(alert.id, { alert, root });
  }

  #forget(id) {
    this.#shown.get(id).root.remove();
    this.#shown.delete(id);
  }

  #count() {
    const all = [...this.#shown.values()].map((one) => one.alert);
    const closed = all
      .filter((alert) => alert.status !== "open")
      .sort((one, two) => (one.cleared_at < two.cleared_at ? 1 : -1));
    for (const alert of closed.slice(CLOSED)) this.#forget(alert.id);
    const open = all.length - closed.length;
    byId("no-alerts").hidden = open > 0;
    byId("closed").hidden = !closed.length;
    setText(byId("closed-count"), String(Math.min(closed.length, CLOSED)));
    this.#onCount(open);
  }

  async #acknowledge(id, reason) {
    const path = `/v1/alerts/${encodeURIComponent(id)}/ack`;
    this.put(await json("POST", path, { token: this.#token, body: { reason } }));
    this.#say("Acknowledged");
  }
}

/** Puts a card where its time is, the newest on top. */
function insert(list, root) {
  const older = [...list.children].find((one) => one.dataset.at <= root.dataset.at);
  list.insertBefore(root, older ?? null);
}

/** Puts a newer card in an older one's place, with the focus and with what somebody is typing into it. */
function replace(before, after) {
  const [typed, field] = [before, after].map((one) => one.querySelector("input"));
  if (typed && field) field.value = typed.value;
  const focused = before.contains(document.activeElement) ? document.activeElement.localName : null;
  before.replaceWith(after);
  if (focused) after.querySelector(focused)?.focus();
}

function card(alert, acknowledge) {
  const open = alert.status === "open";
  const at = open ? alert.raised_at : alert.cleared_at;
  return element(
    "article",
    { class: "alert", "data-status": alert.status, "data-severity": alert.severity, "data-at": at },
    element(
      "header",
      {},
      element("span", { class: "severity" }, bars(alert.severity), words(SEVERITIES, alert.severity)),
      element("span", { class: "note" }, open ? "open since " : "closed ", clock(at)),
    ),
    element("h3", {}, words(FAMILIES, alert.family)),
    element("p", { dir: "auto" }, alert.text),
    ...strongest(alert),
    element(
      "p",
      { class: "note" },
      figures(alert),
      ...handled(alert),
    ),
    ...(open ? [whoIs(alert)] : []),
    ...(open && !alert.acknowledged_by ? [form(alert, acknowledge)] : []),
  );
}

/** Five bars of which as many are filled as the alert is severe. */
function bars(severity) {
  const drawn = [1, 2, 3, 4, 5].map((step) =>
    shape("rect", {
      x: 4 * step - 4,
      y: 14 - 2.6 * step,
      width: 3,
      height: 2 + 2.6 * step,
      class: step > severity ? "off" : "on",
    }),
  );
  return shape("svg", { class: "bars", viewBox: "0 0 19 16", "aria-hidden": "true" }, ...drawn);
}

/** The cues that speak loudest for an attack; where none does, why nothing can be said. */
function strongest({ contributions, reasons }) {
  const loud = contributions
    .filter((part) => part.log_odds >= 0.05)
    .sort((one, two) => two.log_odds - one.log_odds);
  const cues = loud
    .slice(0, 3)
    .map((part) => `${sentence(words(CUES, part.cue))} (+${part.log_odds.toFixed(1)})`);
  const lines = cues.length ? cues : reasons.map((reason) => sentence(words(REASONS, reason)));
  if (!lines.length) return [];
  const label = cues.length ? "Strongest cues" : "Reasons";
  const items = lines.map((line) => element("li", {}, line));
  return [element("ul", { class: "strongest", "aria-label": label }, ...items)];
}

/** How likely, where the alert is about an attack, and how much could be judged. */
function figures({ family, probability, coverage }) {
  const judged = `coverage ${percent(coverage)}`;
  return family === "guard" ? sentence(judged) : `Probability ${percent(probability)}, ${judged}`;
}

function handled(alert) {
  const parts = [];
  if (alert.close_reason) parts.push(`. Closed: ${words(CLOSINGS, alert.close_reason)}`);
  if (alert.acknowledged_by) parts.push(". Acknowledged by ", element("bdi", {}, alert.acknowledged_by));
  if (alert.suppressed_until) parts.push(`. Quiet until ${clock(alert.suppressed_until)}`);
  return parts;
}

function whoIs(alert) {
  const name = element("bdi", {}, alert.display_name || alert.participant_id);
  return element("p", {}, element("a", { href: `#participant-${alert.participant_id}` }, "Show ", name));
}

function form(alert, acknowledge) {
  const id = `reason-${alert.id}`;
  const field = element("input", { id, maxlength: 200, placeholder: "Note (optional)" });
  const button = element("button", { class: "button small" }, "Acknowledge");
  const failed = element("p", { class: "note", role: "alert" });
  const label = element("label", { for: id, class: "hidden" }, "Note");
  const made = element("form", { class: "ack" }, label, field, button, failed);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await acknowledge(field.value);
    } catch (problem) {
      setText(failed, explain(problem, "whoever runs this node"));
    } finally {
      button.disabled = false;
    }
  });
  return made;
}
