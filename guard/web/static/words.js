/** What the service's codes mean, in plain words. A test holds these lists complete. */

export const STATES = {
  bona_fide: "Bona fide",
  suspicious: "Suspicious",
  attack: "Suspected attack",
  insufficient: "Cannot judge",
};

/** What a state means, for whoever does not know the word. */
export const MEANINGS = {
  bona_fide: "looks like a live person at a camera",
  suspicious: "something does not look right yet",
  attack: "strong signs of an attack; people decide",
  insufficient: "too little can be seen to say anything",
};

export const REASONS = {
  no_face: "no face in the picture",
  too_small: "the face is too far away",
  too_dark: "too dark",
  too_bright: "too bright",
  blurred: "the picture is blurred",
  turned: "the face is turned away",
  out_of_frame: "the face is partly out of the picture",
  warming_up: "only just begun",
  decode_trouble: "the video cannot be decoded",
  analysis_trouble: "the analysis has trouble with this video",
  overload: "the service has more to do than it can",
  learned_score: "looks like what a trained model knows from attacks",
  spike: "changed suddenly",
  no_blink: "does not blink",
  blinks: "blinks as people do",
  still_face: "the face is carried about without moving in itself",
  planar_motion: "moves like something flat",
  live_motion: "moves as live faces do",
};

export const CUES = {
  face_manipulation: "signs of a swapped or made-up face",
  face_presentation: "signs of a photo, screen or mask",
  blink: "blinking",
  motion: "motion of the face",
};

export const FAMILIES = {
  presentation: "Photo, screen or mask",
  manipulation: "Swapped or reenacted face",
  injection: "Video fed in behind the camera",
  voice: "Cloned voice",
  guard: "Cannot be judged",
};

export const SEVERITIES = {
  1: "Informational",
  2: "Low",
  3: "Medium",
  4: "High",
  5: "Critical",
};

export const CLOSINGS = {
  cleared: "nothing suspicious was seen for a while",
  participant_left: "the participant left while under suspicion",
};

/** A code in words; one that a newer node sends is shown as it is. */
export function words(list, code) {
  return Object.hasOwn(list, code) ? list[code] : String(code).replaceAll("_", " ");
}

/** 0.934 as "93 %"; a dash where there is nothing yet. */
export function percent(share) {
  return Number.isFinite(share) ? `${Math.round(100 * share)} %` : "–";
}

/** The first letter large. */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Time of day of an ISO 8601 text, and the date where it is not today; a dash where there is none. */
export function clock(iso) {
  const at = new Date(iso ?? NaN);
  if (Number.isNaN(at.getTime())) return "–";
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const today = at.toDateString() === new Date().toDateString();
  return today ? time : `${at.toLocaleDateString()} ${time}`;
}

/** How long ago, roughly: "just now", "3 min", "2 h 5 min". */
export function since(iso, now = Date.now()) {
  const minutes = Math.floor((now - new Date(iso ?? NaN).getTime()) / 60_000);
  if (!(minutes >= 1)) return "just now";
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
