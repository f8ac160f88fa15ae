"""What a finding says, in plain words."""

from collections.abc import Iterable
from typing import Final

from guard.alerts.message import SUSPECTED_OF
from guard.cli.alert_lines import plain
from guard.core.types import FAMILY_OF, Family, Reason, State
from guard.core.words import in_words as core_words
from guard.decision.perface import HELD
from guard.session.findings import NO_VIDEO, STILL_PICTURE, FaceFinding, FileAlert, FileFinding, Refusal

LONGEST_ERROR: Final = 2000

STATES: Final = {
    State.BONA_FIDE: "no finding",
    State.SUSPICIOUS: "suspicious",
    State.ATTACK: "attack suspected",
    State.INSUFFICIENT: "cannot be judged",
}

OBSTACLES: Final[dict[str, str]] = {
    NO_VIDEO: "no sound picture in the file",
    STILL_PICTURE: "a single picture: nothing moves or lasts in it",
}

BLIND_TO: Final = (
    "What is heard: voices are not judged.",
    "Whether the file was cut, made anew, or recorded from a screen in high quality.",
    "Whether there was a camera at all: video that is fed in behind it (injection) looks like any other.",
    "Who the person is.",
    "Attacks of a kind, a generator or a material that the models below were not made with.",
    "Faces that are small, dark, blurred, turned away or hidden, and traces that compression wiped out.",
)
"""What this analysis does not see."""


def in_words(reasons: Iterable[str]) -> str:
    """Reasons as one phrase; "no reason known" where there is none."""
    return core_words(OBSTACLES.get(reason, reason) for reason in reasons) or "no reason known"


def verdict(finding: FileFinding) -> str:
    """One or two sentences on the file; never more than "suspected", never less than "nothing was found"."""
    share = f"{finding.coverage:.0%} of the file could be judged"
    match finding.state:
        case State.ATTACK:
            families = {alert.family for face in finding.faces for alert in face.alerts}
            named = [SUSPECTED_OF[family] for family in Family if family in families] or ["an attack"]
            return f"Suspected of {' and '.join(named)}; {share}."
        case State.SUSPICIOUS:
            return f"Suspicious for {HELD:g} s and more, but not so much that an alert was raised; {share}."
        case State.BONA_FIDE:
            return f"No attack was found; {share}."
        case State.INSUFFICIENT:
            return f"Not enough to judge by: {in_words(obstacles(finding))}; {share}."


def obstacles(finding: FileFinding) -> tuple[str, ...]:
    """Why too little of the file could be judged: the reasons of its longest stretch, else of a face."""
    if finding.stretches and finding.coverage < finding.min_coverage:
        return max(finding.stretches, key=lambda one: one.end - one.begin).reasons
    best = max(finding.faces, key=lambda face: face.headline.coverage, default=None)
    return (Reason.NO_FACE,) if best is None else best.headline.reasons


def told_of_face(face: FaceFinding) -> str:
    """The reasons of a face's state, or an empty text where there is nothing to tell."""
    return in_words(face.headline.reasons) if face.headline.reasons else ""


def told_by_engines(face: FaceFinding) -> str:
    """Each engine's mean P(attack), where further ones were asked; else an empty text."""
    if not face.opinions:
        return ""
    told = (
        f"{one.engine} ({FAMILY_OF[one.cue]}) "
        f"{'unknown' if one.probability is None else format(one.probability, '.2f')}"
        for one in face.opinions
    )
    return f"P(attack) by engine, on average: {', '.join(told)}"


def refused(refusal: Refusal) -> str:
    """Why a file could not be analysed, harmless on a terminal."""
    text = plain(refusal.error, LONGEST_ERROR)
    return text[:1].upper() + text[1:]


def lasted(alert: FileAlert) -> str:
    """From when to when an alert stood."""
    end = "not cleared" if alert.cleared_at is None else f"cleared at {alert.cleared_at:.1f} s"
    return f"raised at {alert.raised_at:.1f} s, {end}"
