/** One caller in a page: a plain RTCPeerConnection, joined by WHIP or WHEP; `globalThis.caller`. */

globalThis.caller = (() => {
  const COMPLETE_MS = 2000;
  let peer = null;

  /** The codecs named like "VP8" in this order, with retransmission where `rtx`. */
  function codecs(names, rtx) {
    const known = RTCRtpReceiver.getCapabilities("video").codecs;
    const fits = ({ mimeType, sdpFmtpLine }, name) =>
      mimeType.toLowerCase() === `video/${name}`.toLowerCase() &&
      (name !== "H264" || /packetization-mode=1.*42e01f/.test(sdpFmtpLine));
    const chosen = names.flatMap((name) => known.filter((one) => fits(one, name)));
    return rtx ? [...chosen, ...known.filter((one) => one.mimeType === "video/rtx")] : chosen;
  }

  async function gathered() {
    const late = new Promise((resolve) => setTimeout(resolve, COMPLETE_MS));
    const complete = new Promise((resolve) => {
      const look = () => peer.iceGatheringState === "complete" && resolve();
      peer.addEventListener("icegatheringstatechange", look);
      look();
    });
    await Promise.race([complete, late]);
  }

  /** The SDP without candidates. */
  const hidden = (sdp) => sdp.replace(/a=candidate:.*\r\n/g, "");

  /** The SDP, its candidates at another port. */
  const moved = (sdp, port) => sdp.replace(/(a=candidate:\S+ 1 udp \d+ \S+ )\d+/g, `$1${port}`);

  /** Joins; where `through` is a port, it stands for the node's, and the node is told no address of ours. */
  async function join(url, token, through) {
    await peer.setLocalDescription();
    await gathered();
    const offer = through ? hidden(peer.localDescription.sdp) : peer.localDescription.sdp;
    const response = await fetch(url, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" },
      body: offer,
    });
    const said = {
      status: response.status,
      text: await response.text(),
      link: response.headers.get("Link"),
      offer,
    };
    const answer = through ? moved(said.text, through) : said.text;
    if (response.ok) await peer.setRemoteDescription({ type: "answer", sdp: answer });
    return said;
  }

  /** Sends camera and microphone; `rids` names simulcast layers, each half as wide as the next. */
  async function publish({ url, token, video, rids = [], audio = true, through }) {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio });
    peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    for (const track of stream.getAudioTracks())
      peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    const sendEncodings = rids.map((rid, place) => ({
      rid,
      scaleResolutionDownBy: 2 ** (rids.length - 1 - place),
    }));
    const [track] = stream.getVideoTracks();
    const sender = peer.addTransceiver(track, { direction: "sendonly", streams: [stream], sendEncodings });
    sender.setCodecPreferences(codecs(video, true));
    return await join(url, token, through);
  }

  /** Receives into a <video> that plays. */
  async function watch({ url, token, audio = true, through }) {
    peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    const streams = new Set();
    const screen = document.createElement("video");
    screen.autoplay = true;
    document.body.append(screen);
    peer.addEventListener("track", (event) => {
      for (const stream of event.streams) streams.add(stream.id);
      screen.srcObject = event.streams[0];
    });
    if (audio) peer.addTransceiver("audio", { direction: "recvonly" });
    peer.addTransceiver("video", { direction: "recvonly" });
    const said = await join(url, token, through);
    return { ...said, streams: [...streams] };
  }

  return {
    publish,
    watch,
    /** Takes a peer that somebody else's client drives. */
    take: (other) => (peer = other),
    stats: async () => [...(await peer.getStats()).values()],
  };
})();
