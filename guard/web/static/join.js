/** The join page: notice, camera, call, end. */

import { Problem, call, claims, json, keepToken, reloadOnNewToken, takeToken } from "./api.js";
import { Call } from "./call.js";
import { NO_HTTPS, cameraTrouble, canOpen, closeCamera, devices, openCamera } from "./camera.js";
import { byId, element, setText, showOnly } from "./dom.js";
import { explain } from "./words.js";

const ROOM = /^[A-Za-z0-9_-]{1,64}$/;
const room = location.pathname.split("/")[2] ?? "";
const screens = ["before", "lobby", "call", "ended"].map(byId);
const page = { token: "", claims: null, notice: null, noticeShownAt: "", stream: null, call: null };

/** What is analysed of those who only watch. */
const NOTHING =
  "Nothing of you: you only receive. Your camera and microphone stay closed; no picture and no sound of you " +
  "is sent or analysed.";

/** Whom to ask, in the middle of a sentence. */
const ask = () => page.notice?.contact || page.notice?.operator || "whoever invited you";

function show(id) {
  showOnly(byId(id), screens);
  byId(id).querySelector("h1").focus();
}

function trouble(text) {
  const line = byId("before-trouble");
  line.hidden = !text;
  setText(line, text);
}

/** What is told before the camera opens, or to those who have no part in it but to watch. */
function showNotice(watches) {
  const { notice } = page;
  const analysed = watches ? [NOTHING] : notice.analysed;
  byId("notice-analysed").replaceChildren(...analysed.map((line) => element("li", {}, line)));
  setText(byId("notice-purpose"), notice.purpose);
  byId("kept").hidden = watches;
  setText(byId("notice-kept"), notice.kept);
  const own = notice.show_own_state && !watches;
  setText(byId("notice-own"), own ? "You see how you are judged yourself." : "");
  const { operator, contact } = notice;
  const parts = [operator, operator && contact && ", ", contact && linked(contact)].filter(Boolean);
  byId("notice-contact").replaceChildren(...(parts.length ? parts : ["Whoever invited you to this call."]));
}

/** An address as a link, where it is an https: or mail address and nothing else. */
function linked(address) {
  if (/^https:\/\/[^\s]+$/.test(address)) return element("a", { href: address, rel: "noreferrer" }, address);
  if (/^[^\s@:/?&]+@[^\s@:/?&]+$/.test(address)) return element("a", { href: `mailto:${address}` }, address);
  return address;
}

/** Why this link cannot work, or an empty text. */
function obstacle() {
  const { claims: told } = page;
  if (!page.token)
    return "To join you need a token. It is part of the link that you were sent; paste either below.";
  if (!told) return "This is no token of this service. Paste the whole link that you were sent.";
  if (told.room !== room)
    return `Your token is for the room “${told.room}”, and this is “${room}”. Use the link you were sent.`;
  if (!told.publish && !told.subscribe)
    return `Your token lets you neither be seen nor watch. Ask ${ask()} for another link.`;
  if (told.publish && !canOpen()) return NO_HTTPS;
  return "";
}

function showBefore() {
  page.claims = claims(page.token);
  const why = obstacle();
  trouble(why);
  offer(!why);
  byId("token-form").hidden = !why || why === NO_HTTPS;
  byId("you").hidden = !page.claims;
  setText(byId("you-name"), page.claims?.name ?? "");
  const watches = page.claims?.publish === false;
  showNotice(watches);
  if (!why) setText(byId("before-title"), watches ? "Before you watch" : "Before your camera opens");
  setText(byId("agree"), watches ? "Agree and watch" : "Agree and open the camera");
  show("before");
}

/** Asks for something that is good for nothing without the token; raises Problem where the token is not good. */
async function tryToken() {
  const path = page.claims.publish ? `/whip/${room}` : `/whep/${room}/anybody`;
  await call("OPTIONS", path, { token: page.token });
}

async function agree() {
  page.noticeShownAt = new Date().toISOString();
  byId("agree").disabled = true;
  trouble("");
  try {
    await tryToken();
    if (page.claims.publish) await openLobby();
    else enter();
  } catch (error) {
    trouble(error instanceof Problem ? explain(error, ask()) : cameraTrouble(error));
    byId("token-form").hidden = ![401, 403].includes(error.status);
  } finally {
    byId("agree").disabled = false;
  }
}

async function openLobby() {
  await useCamera({});
  const found = await devices();
  fillChoice("camera", found.cameras, page.stream.getVideoTracks()[0]);
  fillChoice("microphone", found.microphones, page.stream.getAudioTracks()[0]);
  show("lobby");
  byId("join").focus();
}

async function useCamera(chosen) {
  closeCamera(page.stream);
  page.stream = await openCamera(chosen);
  byId("preview").srcObject = page.stream;
  byId("silent").hidden = page.stream.getAudioTracks().length > 0;
}

/** A list of devices, shown where there are several. */
function fillChoice(kind, found, current) {
  const id = current?.getSettings().deviceId;
  const options = found.map((device, index) =>
    element(
      "option",
      { value: device.deviceId, selected: device.deviceId === id },
      device.label || `${kind} ${index + 1}`,
    ),
  );
  byId(`${kind}s`).replaceChildren(...options);
  byId(`${kind}-choice`).hidden = options.length < 2;
}

async function choose() {
  try {
    await useCamera({ camera: byId("cameras").value, microphone: byId("microphones").value });
  } catch (error) {
    closeLobby();
    trouble(cameraTrouble(error));
  }
}

function closeLobby() {
  closeCamera(page.stream);
  page.stream = byId("preview").srcObject = null;
  showBefore();
}

function enter() {
  byId("preview").srcObject = null;
  show("call");
  page.call = new Call({ room, ...page, ask: ask(), onEnded: end });
}

/** Leaves the call; the last screen says why. */
function end(why, title = "You have left the call") {
  page.call?.close();
  closeCamera(page.stream);
  page.call = page.stream = byId("preview").srcObject = null;
  setText(byId("ended-title"), title);
  setText(byId("ended-why"), why);
  show("ended");
}

function takePasted(event) {
  event.preventDefault();
  keepToken(byId("token").value);
  page.token = takeToken();
  byId("token").value = "";
  showBefore();
}

function listen() {
  byId("agree").addEventListener("click", agree);
  byId("token-form").addEventListener("submit", takePasted);
  for (const id of ["cameras", "microphones"]) byId(id).addEventListener("change", choose);
  byId("join").addEventListener("click", enter);
  byId("back").addEventListener("click", closeLobby);
  byId("leave").addEventListener("click", () => end("Nothing more is sent, and your camera is closed."));
  byId("again").addEventListener("click", showBefore);
  addEventListener("pagehide", () => page.call?.close());
  // a page that the browser kept in memory comes back without its call
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  reloadOnNewToken();
}

/** The notice and the way on; only what stands in the way is shown where there is none. */
function offer(possible) {
  for (const id of ["facts", "before-lead", "before-actions"]) byId(id).hidden = !possible;
  byId("agree").disabled = !possible;
  if (!possible) setText(byId("before-title"), "You cannot join now");
}

/** Nothing can be joined from this page. */
function hopeless(why) {
  offer(false);
  trouble(why);
  show("before");
}

async function begin() {
  listen();
  if (!ROOM.test(room)) return hopeless("This address names no room. Use the link that you were sent.");
  setText(byId("room"), room);
  byId("where").hidden = false;
  document.title = `Room ${room} · call-guard`;
  page.token = takeToken();
  try {
    page.notice = await json("GET", "/v1/notice");
  } catch (error) {
    return hopeless(`${explain(error, ask())} Reload this page to try again.`);
  }
  showBefore();
}

void begin();
