/** The console: who is in the calls of this node, how they are judged, and alerts as they come. */

import { Alerts } from "./alerts.js";
import { claims, json, keepToken, reloadOnNewToken, takeToken } from "./api.js";
import { byId, setAttribute, setText, showOnly } from "./dom.js";
import { People } from "./people.js";
import { follow } from "./sse.js";
import { explain, seconds } from "./words.js";

const ASK = "whoever runs this node";
const LINK = { connecting: "Connecting…", connected: "Live", refused: "Refused" };
const PRINTS_LINK = "guard token --room standup --name Ada --publish --subscribe";
const STOPPING = "The node is stopping: its calls end. This page connects again when it is back.";

const screens = [byId("enter"), byId("board")];
const counts = { people: 0, rooms: 0, open: 0 };

function enter(trouble) {
  showOnly(byId("enter"), screens);
  byId("link").hidden = true;
  byId("enter-trouble").hidden = !trouble;
  setText(byId("enter-trouble"), trouble);
  byId("token").focus();
}

function plural(count, one) {
  return `${count} ${one}${count === 1 ? "" : "s"}`;
}

function showCounts(changed) {
  Object.assign(counts, changed);
  const { people, rooms, open } = counts;
  const where = people ? ` in ${plural(rooms, "room")}` : "";
  setText(byId("summary"), `${plural(people, "participant")}${where} · ${plural(open, "open alert")}`);
  byId("nobody").hidden = people > 0;
  document.title = `${open ? `(${open}) ` : ""}Console · call-guard`;
}

/** What the stream tells goes to people and alerts. */
class Board {
  #token;
  #people = new People((people, rooms) => showCounts({ people, rooms }));
  #alerts;

  constructor(token) {
    this.#token = token;
    const say = (text) => setText(byId("news"), text);
    this.#alerts = new Alerts(token, say, (open) => showCounts({ open }));
  }

  take(type, event) {
    if (type === "snapshot") this.#begin(event);
    else if (type === "joined") this.#people.put(event.room, event.participant);
    else if (type === "state") this.#people.update(event.participant);
    else if (type === "left") this.#people.remove(event.participant_id);
    else if (type === "alert") this.#alerts.put(event);
    else if (type === "stopping") boardTrouble(STOPPING);
  }

  #begin({ rooms, alerts }) {
    boardTrouble("");
    this.#people.set(rooms);
    this.#alerts.setOpen(alerts);
    void this.#recallClosed();
  }

  async #recallClosed() {
    try {
      this.#alerts.add(await json("GET", "/v1/alerts?limit=100", { token: this.#token }));
    } catch (problem) {
      boardTrouble(`Earlier alerts are not known: ${problem.message}`);
    }
  }
}

function boardTrouble(text) {
  byId("board-trouble").hidden = !text;
  setText(byId("board-trouble"), text);
}

function showLink(state, detail) {
  const link = byId("link");
  link.hidden = false;
  setAttribute(link, "data-link", state);
  setAttribute(byId("board"), "data-stale", state !== "connected");
  setText(link, LINK[state] ?? `Reconnecting in ${seconds(detail.wait)}`);
  if (state === "refused") enter(explain(detail, ASK));
  if (detail?.problem?.status) boardTrouble(`The node does not tell what happens: ${detail.problem.message}`);
}

function openBoard(token) {
  const told = claims(token);
  if (!told) return enter(token ? "This is no token of this service." : "");
  if (!told.admin) return enter("This token does not let you see the console. It takes one with --admin.");
  showOnly(byId("board"), screens);
  byId("board-title").focus();
  setText(byId("link-command"), `${PRINTS_LINK} --link ${location.origin}`);
  byId("own-room").hidden = !told.publish;
  setAttribute(
    byId("own-link"),
    "href",
    `/join/${encodeURIComponent(told.room)}#token=${encodeURIComponent(token)}`,
  );
  showCounts({});
  const board = new Board(token);
  const { signal } = new AbortController();
  void follow("/v1/events", {
    token,
    signal,
    onState: showLink,
    onEvent: (type, event) => board.take(type, event),
  });
}

function takePasted(event) {
  event.preventDefault();
  keepToken(byId("token").value);
  location.reload();
}

reloadOnNewToken();
byId("token-form").addEventListener("submit", takePasted);
openBoard(takeToken());
