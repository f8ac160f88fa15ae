/** The participants: a card each. */

import { byId, element, setAttribute, setText, shape, stateShape } from "./dom.js";
import { Plot } from "./plot.js";
import { CUES, MEANINGS, REASONS, STATES, clock, percent, sentence, since, words } from "./words.js";

const REDRAW_MS = 500;

const ATTACHED = "Attached: their video is pulled from another server. They are watched there, not here.";

/** Cards of all participants, by room and then by arrival. */
export class People {
  #cards = new Map();
  #onCount;

  constructor(onCount) {
    this.#onCount = onCount;
    setInterval(() => this.#draw(), REDRAW_MS);
  }

  /** Shows exactly those of these rooms. */
  set(rooms) {
    const ids = new Set(rooms.flatMap((room) => room.participants.map((one) => one.id)));
    for (const id of [...this.#cards.keys()]) if (!ids.has(id)) this.remove(id);
    for (const room of rooms) for (const one of room.participants) this.put(room.id, one);
    this.#count();
  }

  /** Shows one, newly come or not. */
  put(room, participant) {
    if (!this.#cards.has(participant.id)) {
      const card = new Card(room, participant);
      this.#place(card);
      this.#cards.set(participant.id, card);
      this.#count();
    }
    this.update(participant);
  }

  /** Shows one as they are now; of those who have left nothing is shown. */
  update(participant) {
    this.#cards.get(participant.id)?.show(participant);
  }

  /** Shows one no longer. */
  remove(id) {
    this.#cards.get(id)?.root.remove();
    this.#cards.delete(id);
    this.#count();
  }

  #place(card) {
    const after = [...this.#cards.values()].filter((one) => one.order > card.order);
    const next = after.reduce((first, one) => (!first || one.order < first.order ? one : first), null);
    byId("participants").insertBefore(card.root, next?.root ?? null);
  }

  #count() {
    const rooms = new Set([...this.#cards.values()].map((card) => card.room));
    this.#onCount(this.#cards.size, rooms.size);
  }

  #draw() {
    if (document.hidden) return;
    for (const card of this.#cards.values()) card.draw();
  }
}

class Card {
  #plot = new Plot();
  #verdict = element("p", { class: "verdict" });
  #shown = null;
  #figures = {
    liveness: figure("Liveness", "liveness"),
    deepfake: figure("Deepfake", "deepfake"),
    coverage: figure("Coverage"),
  };
  #degraded = element(
    "p",
    { class: "message trouble", hidden: true },
    "The analysis of this participant broke down too often and was given up: they are not judged.",
  );
  #reasons = element("ul", { class: "reasons" });
  #cues = element("ul", { class: "cues" });
  #facts = element("dl", { class: "small" });

  constructor(room, { id, name, whep, joined_at: joinedAt }) {
    this.room = room;
    this.order = `${room}\n${joinedAt}\n${id}`;
    const title = element("h3", { id: `name-${id}` }, element("bdi", {}, name));
    this.root = element(
      "article",
      { class: "card", id: `participant-${id}`, "aria-labelledby": `name-${id}`, tabindex: "-1" },
      element("header", {}, title, element("span", { class: "note" }, "Room ", element("bdi", {}, room))),
      ...(whep ? [] : [element("p", { class: "note" }, ATTACHED)]),
      this.#verdict,
      this.#degraded,
      element("dl", { class: "figures" }, ...Object.values(this.#figures).map((one) => one.root)),
      this.#plot.root,
      this.#reasons,
      element("details", {}, element("summary", {}, "Cues and particulars"), this.#cues, this.#facts),
    );
  }

  show(participant) {
    const { state, liveness, deepfake, coverage } = participant;
    this.#showState(state);
    this.#plot.add(performance.now(), liveness, deepfake);
    const scores = { liveness: score(liveness), deepfake: score(deepfake), coverage: percent(coverage) };
    for (const [key, text] of Object.entries(scores)) setText(this.#figures[key].value, text);
    this.#plot.describe(`Liveness ${scores.liveness}, deepfake ${scores.deepfake}`);
    this.#degraded.hidden = !participant.degraded;
    fillList(this.#reasons, participant.reasons, (reason) => sentence(words(REASONS, reason)));
    fillList(this.#cues, participant.contributions, cueWords);
    this.#showFacts(participant);
  }

  draw() {
    this.#plot.draw(performance.now());
  }

  #showState(state) {
    if (state === this.#shown) return;
    this.#shown = state;
    setAttribute(this.root, "data-state", state);
    const meaning = element("span", { class: "note" }, words(MEANINGS, state));
    this.#verdict.replaceChildren(stateShape(state), element("strong", {}, words(STATES, state)), meaning);
  }

  #showFacts(participant) {
    const facts = {
      Camera: participant.device_label || "not said",
      Judged: `${participant.judged_fps.toFixed(1)} of ${participant.fps.toFixed(1)} frames a second`,
      Joined: `${clock(participant.joined_at)} (${since(participant.joined_at)})`,
      "Notice accepted": participant.notice_shown_at
        ? clock(participant.notice_shown_at)
        : "not through our page",
      Id: participant.id,
    };
    const text = Object.values(facts).join("\n");
    if (this.#facts.dataset.shown === text) return;
    this.#facts.dataset.shown = text;
    const rows = Object.entries(facts).map(([term, fact]) =>
      element("div", {}, element("dt", {}, term), element("dd", {}, element("bdi", {}, fact))),
    );
    this.#facts.replaceChildren(...rows);
  }
}

/** A headline figure; one that is plotted shows how its line looks. */
function figure(name, plotted) {
  const value = element("dd", {}, "–");
  const sample = shape("svg", { class: "sample", viewBox: "0 0 20 5", "aria-hidden": "true" });
  if (plotted) sample.append(shape("path", { class: `score ${plotted}`, d: "M0 2.5H20" }));
  const term = element("dt", {}, name, ...(plotted ? [sample] : []));
  return { root: element("div", {}, term, value), value };
}

function score(value) {
  return value === null ? "–" : value.toFixed(2);
}

/** One cue's opinion in words; log-odds above 0 speak for an attack. */
function cueWords({ cue, reason, log_odds: odds }) {
  const towards = odds > 0 ? "for an attack" : "against an attack";
  const weight = `${odds > 0 ? "+" : "−"}${Math.abs(odds).toFixed(1)} ${towards}`;
  const said = Math.abs(odds) < 0.05 ? "no weight" : weight;
  return `${sentence(words(CUES, cue))}: ${words(REASONS, reason)} (${said})`;
}

function fillList(list, entries, say) {
  const lines = entries.map(say);
  const text = lines.join("\n");
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.hidden = !lines.length;
  list.replaceChildren(...lines.map((one) => element("li", {}, one)));
}
