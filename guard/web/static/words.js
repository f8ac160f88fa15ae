/** The service's codes and refusals in plain words. A test holds the lists of codes complete. */

export const STATES = {
  bona_fide: "Bona fide",
  suspicious: "Suspicious",
  attack: "Suspected attack",
  insufficient: "Cannot judge",
};

/** What a state means, for whoever does not know the word. */
export const MEANINGS = {
  bona_fide: "nothing suspicious has been seen",
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
  unstable: "a trained model cannot make up its mind",
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
  second_manipulation: "a second model's signs of a swapped or made-up face",
  second_presentation: "a second model's signs of a photo, screen or mask",
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
  node_restarted: "the guard was restarted",
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

/** 2400 as "2 s", and never less than 1 s. */
export const seconds = (milliseconds) => `${Math.max(1, Math.round(milliseconds / 1000))} s`;

/** A Problem in plain words, for people who only want to join a call; `ask` is whom to ask. */
export function explain(problem, ask) {
  switch (problem.status) {
    case 0:
      return `The service cannot be reached (${problem.message}). Is this device online?`;
    case 401:
      return `Your token is missing, wrong or has expired. Ask ${ask} for a new link.`;
    case 403:
      return `Your token is not for this, or not for this room. Ask ${ask} for another link.`;
    case 406:
      return "This browser offers no video that the service understands (VP8 or H.264). Use another browser.";
    case 404:
      return `This is not there (any more). Ask ${ask}.`;
    case 429:
    case 503:
      return (
        "There is no place now: the room or the service is full, you are in it too often already " +
        "(close other tabs), or it is about to stop."
      );
    default:
      return `The service did not do this: ${problem.message}`;
  }
}

/** The line above a call while its connection is in this state (see KeptLeg and follow). */
export function connectionWords(state, detail, ask) {
  switch (state) {
    case "connecting":
      return "Connecting…";
    case "connected":
      return "Connected";
    case "interrupted":
      return "The connection is interrupted. Waiting for it to come back…";
    case "waiting": {
      const why = detail.problem ? explain(detail.problem, ask) : "The connection was lost.";
      return `${why} Trying again in ${seconds(detail.wait)}.`;
    }
    default:
      return explain(detail, ask);
  }
}
