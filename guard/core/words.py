"""Words for people: reasons in plain words, and foreign text as it may be shown."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from guard.core.types import Reason

REASON_WORDS: Final[Mapping[str, str]] = {
    Reason.NO_FACE: "no face in the picture",
    Reason.TOO_SMALL: "the face is too small",
    Reason.TOO_DARK: "the face is too dark",
    Reason.TOO_BRIGHT: "the face is too bright",
    Reason.BLURRED: "the face is blurred",
    Reason.TURNED: "the face is turned away",
    Reason.OUT_OF_FRAME: "the face is cut by the edge of the picture",
    Reason.WARMING_UP: "seen for too short a time",
    Reason.DECODE_TROUBLE: "the pictures could not be decoded",
    Reason.ANALYSIS_TROUBLE: "the analysis failed on these pictures",
    Reason.OVERLOAD: "the machine was overloaded",
    Reason.UNSTABLE: "the score of the trained model changes with the crop",
    Reason.LEARNED_SCORE: "the trained model speaks for an attack",
    Reason.SPIKE: "the score of the trained model rose suddenly",
    Reason.NO_BLINK: "the eyes do not blink",
    Reason.BLINKS: "the eyes blink",
    Reason.STILL_FACE: "the face does not move",
    Reason.PLANAR_MOTION: "the face moves like a flat sheet",
    Reason.LIVE_MOTION: "lips and lids move as a living face's do",
}


HARMFUL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control and direction characters, and surrogates that stand alone: they come out of somebody's JSON."""


def in_words(reasons: Iterable[str]) -> str:
    """Reasons as one phrase, those of another version as they are; empty where there is none."""
    return ", ".join(REASON_WORDS.get(reason, reason) for reason in reasons)


def printable(text: str, longest: int) -> str:
    """The beginning of foreign text, harmless on a terminal, in a log and in JSON, one character for one."""
    return HARMFUL.sub("\ufffd", text[:longest])
