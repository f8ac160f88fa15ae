/** WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) with trickled candidates, over RTCPeerConnection. */

import { Problem, call } from "./api.js";

/** So long may it take until media can flow, and so long may it be interrupted. */
const CONNECT_MS = 20_000;
const INTERRUPTED_MS = 6_000;

const LINK = /<([^>]*)>((?:\s*;\s*[\w-]+\*?\s*(?:=\s*(?:"(?:\\.|[^"\\])*"|[^\s",;]*))?)*)/g;
const PARAMETER = /;\s*([\w-]+)\*?\s*(?:=\s*(?:"((?:\\.|[^"\\])*)"|([^\s",;]*)))?/g;

/** The links of a Link header (RFC 8288) as {target, rel, …}; an empty list without a header. */
export function readLinks(header) {
  return [...(header ?? "").matchAll(LINK)].map(([, target, rest]) => {
    const parameters = [...rest.matchAll(PARAMETER)].map(([, name, quoted, plain]) => [
      name.toLowerCase(),
      quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "",
    ]);
    return { ...Object.fromEntries(parameters), target };
  });
}

/** The STUN and TURN servers of an answer (RFC 9725 section 4.6), as RTCPeerConnection wants them. */
export function iceServers(response) {
  return readLinks(response.headers.get("Link"))
    .filter((link) => link.rel === "ice-server" && /^(stun|turn)s?:/.test(link.target))
    .map(({ target, username, credential }) =>
      target.startsWith("stun") ? { urls: target } : { urls: target, username, credential },
    );
}

/** Asks an endpoint, with the token, what servers to use; raises Problem where the token is not good for it. */
export async function askIceServers(url, token) {
  return iceServers(await call("OPTIONS", url, { token }));
}

/** A trickle ICE fragment (RFC 8840 section 9) of candidates for a local description; null is their end. */
export function fragment(sdp, candidates) {
  const sections = sdp.split(/\r\n(?=m=)/).slice(1);
  const mids = new Set(candidates.filter(Boolean).map((candidate) => candidate.sdpMid));
  const attribute = (name) => `a=${name}:${sdp.match(new RegExp(`^a=${name}:(.*)\r$`, "m"))[1]}`;
  const lines = [attribute("ice-ufrag"), attribute("ice-pwd")];
  for (const mid of mids) {
    const section = sections.find((one) => one.includes(`\r\na=mid:${mid}\r\n`));
    const ours = candidates.filter((candidate) => candidate?.sdpMid === mid);
    lines.push(section.split("\r\n")[0], `a=mid:${mid}`, ...ours.map((one) => `a=${one.candidate}`));
  }
  if (candidates.includes(null)) lines.push("a=end-of-candidates");
  return `${lines.join("\r\n")}\r\n`;
}

/**
 * One WHIP or WHEP session. `onChange` hears "connected", "interrupted" where it may come back by itself, and then,
 * once, "lost" where the media broke off or never came; after `close` it hears nothing more.
 */
export class Leg {
  /** The links of the 201 answer, by `readLinks`. */
  links = [];

  #url;
  #token;
  #peer;
  #onChange;
  #session = null;
  #tag = "*";
  #waiting = [];
  #sending = false;
  #ended = false;
  #timer = 0;

  constructor(url, token, servers, onChange) {
    this.#url = url;
    this.#token = token;
    this.#onChange = onChange;
    this.#peer = new RTCPeerConnection({ iceServers: servers, bundlePolicy: "max-bundle" });
    this.#peer.addEventListener("icecandidate", ({ candidate }) => this.#trickle(candidate));
    this.#peer.addEventListener("connectionstatechange", () => this.#changed());
  }

  /** Publishes the tracks of a stream; raises Problem. `headers` go with the offer. */
  async publish(stream, headers) {
    for (const track of stream.getTracks()) {
      this.#peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    }
    await this.#begin(headers);
  }

  /** Receives video and sound into a stream; raises Problem. */
  async receive() {
    const stream = new MediaStream();
    this.#peer.addEventListener("track", ({ track }) => stream.addTrack(track));
    for (const kind of ["audio", "video"]) this.#peer.addTransceiver(kind, { direction: "recvonly" });
    await this.#begin({});
    return stream;
  }

  /** Ends the session here and at the node; also while the page goes away. */
  close() {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#peer.close();
    this.#delete();
  }

  async #begin(headers) {
    this.#timer = setTimeout(() => this.#lose(), CONNECT_MS);
    await this.#peer.setLocalDescription();
    const response = await call("POST", this.#url, {
      token: this.#token,
      body: this.#peer.localDescription.sdp,
      headers: { ...headers, "Content-Type": "application/sdp" },
    });
    this.#session = own(new URL(response.headers.get("Location") ?? "", response.url));
    this.#tag = response.headers.get("ETag") ?? "*";
    this.links = readLinks(response.headers.get("Link"));
    if (this.#ended) return this.#delete();
    await this.#peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
    this.#hearGoodbye(this.#peer.getTransceivers()[0].receiver.transport);
    void this.#flush();
  }

  #trickle(candidate) {
    if (candidate?.candidate === "") return;
    this.#waiting.push(candidate);
    void this.#flush();
  }

  async #flush() {
    if (this.#sending) return;
    this.#sending = true;
    try {
      while (this.#session && !this.#ended && this.#waiting.length)
        await this.#patch(this.#waiting.splice(0));
    } catch (error) {
      // without these candidates it may connect all the same; where not, the timer tells
      console.warn("candidates were not taken:", error.message);
    } finally {
      this.#sending = false;
    }
  }

  async #patch(candidates) {
    await call("PATCH", this.#session, {
      token: this.#token,
      body: fragment(this.#peer.localDescription.sdp, candidates),
      headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": this.#tag },
    });
  }

  /** A node that ends a session closes DTLS; the connection's own state would tell many seconds later. */
  #hearGoodbye(transport) {
    transport?.addEventListener("statechange", () => {
      if (transport.state !== "closed") return;
      this.#session = null;
      this.#lose();
    });
  }

  #changed() {
    const state = this.#peer.connectionState;
    clearTimeout(this.#timer);
    if (state === "connected") this.#onChange("connected");
    else if (state === "failed" || state === "closed") this.#lose();
    else {
      const interrupted = state === "disconnected";
      if (interrupted) this.#onChange("interrupted");
      this.#timer = setTimeout(() => this.#lose(), interrupted ? INTERRUPTED_MS : CONNECT_MS);
    }
  }

  #lose() {
    if (this.#ended) return;
    this.close();
    this.#onChange("lost");
  }

  #delete() {
    if (!this.#session) return;
    // keepalive: the request outlives the page. A session that has ended already answers 404: just as well.
    call("DELETE", this.#session, { token: this.#token, keepalive: true }).catch(() => {});
  }
}

/** The address of a session, which gets our token: it must be of this node. */
function own(url) {
  if (url.origin !== location.origin) throw new Problem(502, "the session lies on another server");
  return url.href;
}
