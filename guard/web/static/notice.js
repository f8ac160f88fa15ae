/** What a visitor is told before the camera opens. */

import { json } from "./api.js";
import { byId, element, setText } from "./dom.js";

const NOBODY = "Whoever invited you to this call.";

/** Fetches the notice and shows it; raises Problem. Returns it. */
export async function showNotice() {
  const notice = await json("GET", "/v1/notice");
  byId("notice-analysed").replaceChildren(...notice.analysed.map((line) => element("li", {}, line)));
  setText(byId("notice-purpose"), notice.purpose);
  setText(byId("notice-kept"), notice.kept);
  setText(byId("notice-own"), notice.show_own_state ? "You see how you are judged yourself." : "");
  byId("notice-contact").replaceChildren(...contact(notice));
  return notice;
}

function contact({ operator, contact: address }) {
  if (!operator && !address) return [NOBODY];
  const parts = [operator, address && linked(address)].filter(Boolean);
  return parts.flatMap((part, index) => (index ? [", ", part] : [part]));
}

/** An address as a link, where it is an https: or mail address and nothing else. */
function linked(address) {
  if (/^https:\/\/[^\s]+$/.test(address)) return element("a", { href: address, rel: "noreferrer" }, address);
  if (/^[^\s@:/?&]+@[^\s@:/?&]+$/.test(address)) return element("a", { href: `mailto:${address}` }, address);
  return address;
}

/** Whom to ask, in the middle of a sentence. */
export function whom(notice) {
  return notice?.contact || notice?.operator || "whoever invited you";
}
