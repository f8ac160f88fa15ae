/** The call itself: own video out, the others in, and what the node tells about the room. */

import { byId, setAttribute, setText, stateShape } from "./dom.js";
import { KeptLeg } from "./keep.js";
import { Others } from "./others.js";
import { follow } from "./sse.js";
import { REASONS, STATES, connectionWords, explain, words } from "./words.js";

const CAMERA_OFF =
  "Your camera is off: the others see nothing, and you cannot be checked. After a while that is noted.";

const STOPPING = "The service is about to stop. You are connected again when it is back.";

const DEAF = "Your video arrives, but who comes and goes is not told. ";

/** One stay in a room, from joining to leaving. */
export class Call {
  #options;
  #others;
  #own = null;
  /** Our ids: a new one each time that our video begins anew, while the room may still hold the one before. */
  #ownIds = [];
  /** While our own arrival is under way, we might take ourselves for somebody else. */
  #arriving = false;
  /** Who is in the room, by id, as the events tell. */
  #present = new Map();
  /** The two ways to the node, ours to it (null for those who only watch) and its events to us. */
  #ways = { video: null, events: { state: "connecting" } };
  #hints = { service: "", camera: "" };
  #stop = new AbortController();

  /** `options`: {room, token, claims, notice, noticeShownAt, ask, stream or null, onEnded(why, title)}. */
  constructor(options) {
    this.#options = options;
    const { stream, token } = options;
    this.#others = new Others(byId("tiles"), token, (count) => this.#counted(count), (id) => this.#left(id));
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
      (state, detail) => this.#way("video", state, detail),
    );
    void this.#own.run();
  }

  async #arrive(leg) {
    const { stream, noticeShownAt } = this.#options;
    const label = encodeURIComponent(stream.getVideoTracks()[0].label);
    this.#arriving = true;
    try {
      await leg.publish(stream, { "Guard-Device-Label": label, "Guard-Notice-Shown-At": noticeShownAt });
      this.#ownIds.push(participantIn(leg.links));
    } finally {
      this.#arriving = false;
      this.#meet();
    }
  }

  /** One of the ways changed: the line above the call tells of the worse one. */
  #way(name, state, detail) {
    this.#ways[name] = { state, detail };
    const { video, events } = this.#ways;
    const { ask, onEnded } = this.#options;
    const shown = video && video.state !== "connected" ? video : events;
    // where the node answers, but with no events, our video arrives all the same
    const deaf = video?.state === "connected" && events.detail?.problem?.status;
    setText(byId("call-status"), (deaf ? DEAF : "") + connectionWords(shown.state, shown.detail, ask));
    setAttribute(byId("call-status"), "data-state", shown.state);
    if (shown.state !== "connected") byId("own-state").hidden = true;
    if ((video ?? events).state === "refused") onEnded(explain(detail, ask), "The call has ended");
  }

  #cameraGone() {
    this.#options.onEnded("Your camera was disconnected. Connect it, then join again.", "The call has ended");
  }

  #follow() {
    void follow("/v1/events", {
      token: this.#options.token,
      signal: this.#stop.signal,
      onEvent: (type, event) => this.#take(type, event),
      onState: (state, detail) => this.#way("events", state, detail),
    });
  }

  #take(type, event) {
    const ours = event.room === this.#options.room;
    if (type === "snapshot") this.#begin(peopleOf(event, this.#options.room));
    else if (type === "joined" && ours) this.#join(event.participant);
    else if (type === "left" && ours) this.#left(event.participant_id);
    else if (type === "state") this.#showState(event.participant);
    else if (type === "stopping") this.#hint({ service: STOPPING });
  }

  #begin(people) {
    this.#hint({ service: "" });
    this.#present = new Map(people.map((one) => [one.id, one]));
    this.#meet();
  }

  #isShown({ id }) {
    return !this.#arriving && !this.#ownIds.includes(id) && this.#options.claims.subscribe;
  }

  #meet() {
    if (this.#arriving || this.#stop.signal.aborted) return;
    this.#others.set([...this.#present.values()].filter((one) => this.#isShown(one)));
  }

  #join(participant) {
    this.#present.set(participant.id, participant);
    if (this.#isShown(participant) && this.#others.add(participant))
      setText(byId("news"), `${participant.name} joined`);
  }

  #left(id) {
    this.#present.delete(id);
    const name = this.#others.remove(id);
    if (name !== null) setText(byId("news"), `${name} left`);
  }

  #showState({ id, state, reasons }) {
    if (id !== this.#ownIds.at(-1) || !this.#options.notice.show_own_state) return;
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
