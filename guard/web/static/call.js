/** The call itself: own video out, the others in, and what the node tells about the room. */

import { json } from "./api.js";
import { byId, setAttribute, setText, stateShape } from "./dom.js";
import { connectionWords, explain } from "./explain.js";
import { KeptLeg } from "./keep.js";
import { whom } from "./notice.js";
import { Others } from "./others.js";
import { follow } from "./sse.js";
import { REASONS, STATES, words } from "./words.js";

const CAMERA_OFF =
  "Your camera is off: the others see nothing, and you cannot be checked. After a while that is noted.";

const STOPPING = "The service is about to stop. You are connected again when it is back.";

/** One stay in a room, from joining to leaving. */
export class Call {
  #options;
  #others;
  #own = null;
  #ownId = null;
  /** While our own arrival is under way, we might take ourselves for somebody else. */
  #arriving = false;
  #hints = { service: "", camera: "" };
  #stop = new AbortController();

  /** `options`: {room, token, claims, notice, noticeShownAt, stream or null, onEnded(why, title)}. */
  constructor(options) {
    this.#options = options;
    const { stream, token } = options;
    this.#others = new Others(byId("tiles"), token, (count) => this.#counted(count));
    this.#showOwn(stream);
    if (stream) this.#publish();
    this.#follow();
  }

  /** Leaves: ends every session; also while the page goes away. */
  close() {
    this.#stop.abort();
    this.#own?.close();
    this.#others.close();
    byId("own-video").srcObject = null;
  }

  #showOwn(stream) {
    const { signal } = this.#stop;
    byId("own").hidden = !stream;
    byId("own-state").hidden = true;
    byId("own-video").srcObject = stream;
    this.#hint({});
    this.#counted(0);
    const [sound, video] = [stream?.getAudioTracks()[0], stream?.getVideoTracks()[0]];
    this.#offerMute("microphone", sound, ["Mute microphone", "Unmute microphone"], signal);
    this.#offerMute("camera", video, ["Turn camera off", "Turn camera on"], signal);
    video?.addEventListener("ended", () => this.#cameraGone(), { signal });
  }

  /** A button that switches a track off and on; hidden where there is no track. */
  #offerMute(id, track, [off, on], signal) {
    const button = byId(id);
    button.hidden = !track;
    if (!track) return;
    const show = () => {
      button.classList.toggle("off", !track.enabled);
      setText(button, track.enabled ? off : on);
      this.#showMuted();
    };
    show();
    const toggle = () => {
      track.enabled = !track.enabled;
      show();
    };
    button.addEventListener("click", toggle, { signal });
  }

  #showMuted() {
    const { stream } = this.#options;
    const off = (tracks) => tracks.some((track) => !track.enabled);
    const cameraOff = off(stream.getVideoTracks());
    const muted = [cameraOff && "camera off", off(stream.getAudioTracks()) && "muted"].filter(Boolean);
    setText(byId("own-muted"), muted.join(", "));
    this.#hint({ camera: cameraOff ? CAMERA_OFF : "" });
  }

  #hint(changed) {
    Object.assign(this.#hints, changed);
    const text = Object.values(this.#hints).filter(Boolean).join(" ");
    byId("call-hint").hidden = !text;
    setText(byId("call-hint"), text);
  }

  #publish() {
    const { room, token } = this.#options;
    this.#own = new KeptLeg(
      `/whip/${room}`,
      token,
      (leg) => this.#arrive(leg),
      (state, detail) => this.#connection(state, detail),
    );
    void this.#own.run();
  }

  async #arrive(leg) {
    const { stream, noticeShownAt } = this.#options;
    const label = encodeURIComponent(stream.getVideoTracks()[0].label);
    this.#arriving = true;
    try {
      await leg.publish(stream, { "Guard-Device-Label": label, "Guard-Notice-Shown-At": noticeShownAt });
      this.#ownId = participantIn(leg.links);
    } finally {
      this.#arriving = false;
      void this.#refresh();
    }
  }

  #connection(state, detail) {
    const ask = whom(this.#options.notice);
    setText(byId("call-status"), connectionWords(state, detail, ask));
    setAttribute(byId("call-status"), "data-state", state);
    if (state === "refused") this.#options.onEnded(explain(detail, ask), "The call has ended");
  }

  #cameraGone() {
    this.#options.onEnded("Your camera was disconnected. Connect it, then join again.", "The call has ended");
  }

  #follow() {
    void follow("/v1/events", {
      token: this.#options.token,
      signal: this.#stop.signal,
      onEvent: (type, event) => this.#take(type, event),
      onState: (state, detail) => this.#feed(state, detail),
    });
  }

  /** Whoever sends hears of their own session instead, which the node ends as it ends the events. */
  #feed(state, detail) {
    if (this.#own) return;
    if (state === "live") this.#connection("connected");
    else this.#connection(state, state === "waiting" ? { wait: detail, problem: null } : detail);
  }

  #take(type, event) {
    const ours = event.room === this.#options.room;
    if (type === "snapshot") this.#meetAnew(peopleOf(event, this.#options.room));
    else if (type === "joined" && ours) this.#join(event.participant);
    else if (type === "left" && ours) this.#left(event.participant_id);
    else if (type === "state") this.#showState(event.participant);
    else if (type === "stopping") this.#hint({ service: STOPPING });
    else if (type === "dropped") void this.#refresh();
  }

  /** Asks who is here: after events were missed, and once we know who we are. */
  async #refresh() {
    const { room, token } = this.#options;
    try {
      this.#meet((await json("GET", `/v1/rooms/${room}`, { token })).participants);
    } catch (problem) {
      if (problem.status === 404) this.#meet([]);
      else console.warn("who is here is not known:", problem.message);
    }
  }

  #meetAnew(people) {
    this.#hint({ service: "" });
    this.#meet(people);
  }

  #meet(people) {
    if (this.#arriving || this.#stop.signal.aborted || !this.#options.claims.subscribe) return;
    this.#others.set(people.filter((one) => one.id !== this.#ownId));
  }

  #join(participant) {
    if (this.#arriving || participant.id === this.#ownId || !this.#options.claims.subscribe) return;
    if (this.#others.add(participant)) setText(byId("news"), `${participant.name} joined`);
  }

  #left(id) {
    const name = this.#others.remove(id);
    if (name !== null) setText(byId("news"), `${name} left`);
  }

  #showState({ id, state, reasons }) {
    if (id !== this.#ownId || !this.#options.notice.show_own_state) return;
    const badge = byId("own-state");
    const why = reasons.map((reason) => words(REASONS, reason)).join(", ");
    const text = words(STATES, state) + (why ? `: ${why}` : "");
    if (!badge.hidden && badge.textContent === text) return;
    badge.hidden = false;
    setAttribute(badge, "data-state", state);
    badge.replaceChildren(stateShape(state), text);
  }

  #counted(count) {
    byId("alone").hidden = count > 0 || !this.#options.claims.subscribe;
    setAttribute(byId("tiles"), "data-count", count + (this.#options.stream ? 1 : 0));
  }
}

/** The id under which others watch us: the node links to it. */
function participantIn(links) {
  const watched = links.find((link) => link.rel === "related");
  return watched?.target.split("/").at(-1) ?? null;
}

/** Who is in the room; administrators are told of every room. */
function peopleOf(snapshot, room) {
  const found = snapshot.room ?? snapshot.rooms.find((one) => one.id === room);
  return found?.participants ?? [];
}
