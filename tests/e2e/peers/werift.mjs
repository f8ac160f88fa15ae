/**
 * A caller of the node on werift: WHIP and WHEP, without a browser and without libwebrtc.
 *
 * node werift.mjs <JSON>: {module, role: "publish" | "watch", url, token, units, seconds}
 * `units` names a file of VP8 pictures, one base64 a line, sent at 30 a second, over and over. A publisher sends until its
 * standard input ends, a watcher receives for some seconds. Both write lines of JSON: "joined", then "ended".
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";

const HERE = "127.0.0.1";

const given = JSON.parse(process.argv[2]);
os.networkInterfaces = () => ({}); // it gathers on all of them, whatever it was told
syncBuiltinESMExports();
const werift = await import(given.module);

const PART_BYTES = 1100;
const PICTURE_TICKS = 3000;
const SOUND_TICKS = 960;
const SILENCE = Buffer.from("f8fffe", "hex");

const say = (said) => process.stdout.write(`${JSON.stringify(said)}\n`);

const peer = new werift.RTCPeerConnection({
  codecs: { video: [werift.useVP8()], audio: [werift.useOPUS()] },
  iceServers: [],
  iceAdditionalHostAddresses: [HERE],
  iceInterfaceAddresses: { udp4: HERE },
  iceUseIpv6: false,
  bundlePolicy: "max-bundle",
});

/** Keeps it from asking a STUN server of its own choice, as it does where it is given none. */
function askNobody() {
  for (const { connection } of peer.iceTransports) {
    if (!("stunServer" in connection)) throw new Error("werift keeps its STUN server elsewhere now");
    connection.stunServer = undefined;
  }
}

/** Throws unless the SDP has candidates, and all of them are here. */
function checkCandidates(sdp) {
  const addresses = [...sdp.matchAll(/a=candidate:(?:\S+ ){4}(\S+)/g)].map(([, address]) => address);
  if (!addresses.length || addresses.some((address) => address !== HERE))
    throw new Error(`expected candidates at ${HERE} only, got ${addresses}`);
}

async function post() {
  const offer = await peer.createOffer();
  askNobody();
  await peer.setLocalDescription(offer);
  while (peer.iceGatheringState !== "complete") await new Promise((resolve) => setTimeout(resolve, 10));
  checkCandidates(peer.localDescription.sdp);
  const response = await fetch(given.url, {
    method: "POST",
    headers: { Authorization: `Bearer ${given.token}`, "Content-Type": "application/sdp" },
    body: peer.localDescription.sdp,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  await peer.setRemoteDescription({ type: "answer", sdp: text });
  return { session: new URL(response.headers.get("Location"), given.url), link: response.headers.get("Link") };
}

async function leave(session) {
  await fetch(session, { method: "DELETE", headers: { Authorization: `Bearer ${given.token}` } });
  await peer.close();
}

/** A stream of packets that counts its own sequence numbers. */
function stream(track, payloadType) {
  let sequenceNumber = Math.floor(Math.random() * 65536);
  return (payload, timestamp, marker) => {
    const header = new werift.RtpHeader({ version: 2, payloadType, sequenceNumber, timestamp, marker, ssrc: 1 });
    track.writeRtp(new werift.RtpPacket(header, payload));
    sequenceNumber = (sequenceNumber + 1) & 0xffff;
  };
}

/** Calls `step(number)` at a steady pace; returns what stops it. */
function paced(interval, step) {
  const began = performance.now();
  let number = 0;
  const timer = setInterval(() => {
    while (performance.now() - began >= number * interval) step(number++);
  }, 5);
  return () => clearInterval(timer);
}

async function publish() {
  const units = readFileSync(given.units, "utf8").trim().split("\n").map((line) => Buffer.from(line, "base64"));
  const isKeyframe = (unit) => (unit[0] & 1) === 0;
  const [video, audio] = ["video", "audio"].map((kind) => new werift.MediaStreamTrack({ kind }));
  const transceiver = peer.addTransceiver(video, { direction: "sendonly" });
  peer.addTransceiver(audio, { direction: "sendonly" });
  const told = { pictures: 0, sounds: 0, keyframes_asked: 0 };
  let place = 0;
  transceiver.sender.onPictureLossIndication.subscribe(() => {
    told.keyframes_asked += 1;
    while (!isKeyframe(units[place % units.length])) place += 1;
  });
  const { session, link } = await post();
  await peer.connectionStateChange.watch((state) => state === "connected");
  say({ joined: link });
  const picture = stream(video, transceiver.sender.codec.payloadType);
  const sound = stream(audio, peer.getTransceivers()[1].sender.codec.payloadType);
  const stops = [
    paced(PICTURE_TICKS / 90, (number) => {
      const unit = units[place++ % units.length];
      for (let at = 0; at < unit.length; at += PART_BYTES) {
        const part = Buffer.concat([Buffer.from([at === 0 ? 0x10 : 0]), unit.subarray(at, at + PART_BYTES)]);
        picture(part, (number * PICTURE_TICKS) >>> 0, at + PART_BYTES >= unit.length);
      }
      told.pictures += 1;
    }),
    paced(SOUND_TICKS / 48, (number) => {
      sound(SILENCE, (number * SOUND_TICKS) >>> 0, false);
      told.sounds += 1;
    }),
  ];
  for await (const _ of process.stdin);
  for (const stop of stops) stop();
  await leave(session);
  say({ ended: told });
}

/** A VP8 payload without its descriptor (RFC 7741 section 4.2). */
function undescribed(payload) {
  let at = 1;
  if (payload[0] & 0x80) {
    const flags = payload[at++];
    if (flags & 0x80) at += payload[at] & 0x80 ? 2 : 1;
    if (flags & 0x40) at += 1;
    if (flags & 0x30) at += 1;
  }
  return payload.subarray(at);
}

async function watch() {
  const told = { packets: 0, sounds: 0, pictures: [], broken: 0 };
  let parts = [];
  let whole = false;
  let next = null;
  peer.onTrack.subscribe((track) => {
    track.onReceiveRtp.subscribe(({ header, payload }) => {
      if (track.kind === "audio") return (told.sounds += 1);
      if (!payload.length) return;
      told.packets += 1;
      if (payload[0] & 0x10 && (payload[0] & 7) === 0) [parts, whole] = [[], true];
      else if (header.sequenceNumber !== next) whole = false;
      next = (header.sequenceNumber + 1) & 0xffff;
      parts.push(undescribed(payload));
      if (!header.marker) return;
      if (whole) told.pictures.push(createHash("sha256").update(Buffer.concat(parts)).digest("hex"));
      else told.broken += 1;
    });
  });
  for (const kind of ["video", "audio"]) peer.addTransceiver(kind, { direction: "recvonly" });
  const { session } = await post();
  await peer.connectionStateChange.watch((state) => state === "connected");
  say({ joined: null });
  await new Promise((resolve) => setTimeout(resolve, 1000 * given.seconds));
  await leave(session);
  say({ ended: told });
}

await { publish, watch }[given.role]();
process.exit(0);
