"""Evidence of one face track as log-odds per family: capped per cue, smoothed, decayed in time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from guard.core.types import FAMILY_OF, LEARNED, SECOND, Contribution, Cue, Family, Reason, Score
from guard.core.units import Seconds
from guard.decision.spike import Spike


@dataclass(frozen=True, slots=True)
class CueRule:
    """How far one cue may move its family, in log-odds."""

    gain: float
    """Multiplies logit(value) x weight."""
    cap: float
    """Most that the cue may say for an attack."""
    floor: float
    """Most that it may say against one, as a negative number."""
    smoothing_s: Seconds
    """Half-life of the average over single-frame opinions; 0 takes each score as it comes."""
    drift: float | None = None
    """Log-odds by which a bona fide face wanders; a sudden rise by more, over the track's own past, counts
    besides. None: no rise counts."""


PRIOR = -2.2
"""Log-odds without evidence, P = 0.1: attacks are rare, so silence must stay far from every threshold."""

LEARNED_RULE = CueRule(gain=1.6, cap=6.0, floor=-0.3, smoothing_s=0.5, drift=1.2)
"""A learned score is calibrated on single frames while an average of several is worth more: gain above 1. The
smoothing lets one frame at 8 fps move 16 % of the way, and half a second half of it. The floor is small: a
net that has not seen a generator or a kind of print calls its pictures bona fide with full conviction, so
its acquittal must not outweigh what other cues see, and a swap that is switched on mid-call must not first
pay off a debt."""

MANIPULATION_RULE = CueRule(gain=1.0, cap=6.0, floor=-0.3, smoothing_s=0.5, drift=2.0)
"""What this net errs by is mostly the person, so many frames of one face are worth no more than one: no gain.

On seven whole clips of bona fide people its level lay at P = 0.84 in the median of one (0.97 at times), and
it leapt by up to 2.6 log-odds where somebody turned or grimaced; swaps leapt by 4 to 10 in the five read.
"""

SECOND_RULE = CueRule(gain=1.0, cap=3.5, floor=-0.3, smoothing_s=0.5)
"""Further engines see the very picture that the first has seen, and most were never calibrated on a call:
what they say supports another cue, and makes suspicious, but never raises alone (-2.2 + 3.5 is P = 0.79)."""

WEIGHT_FREE_RULE = CueRule(gain=1.0, cap=4.0, floor=-1.0, smoothing_s=1.0)
"""These look at seconds already. The cap lets one fully certain cue just reach 0.85 by itself; in practice
two must agree. The floor is small, since a replay blinks and moves as the person in it did."""

CERTAIN = 0.002
"""Values closer to 0 or 1 are taken as this far from it: no cue knows better, and logit() stays finite."""

FRESH: Seconds = 0.5
"""Evidence decays after this time only, so that a steady flow of scores (2 fps and more) keeps its full say;
a score that comes later counts as one that came after this time, for a pause is no evidence."""

FIRST_STEP: Seconds = 0.125
"""The first score of a cue counts as one step at 8 fps, so that one frame never decides."""


def logit(probability: float) -> float:
    """Log-odds of a probability, finite at 0 and 1."""
    inside = min(max(probability, CERTAIN), 1.0 - CERTAIN)
    return math.log(inside / (1.0 - inside))


def probability_of(log_odds: float) -> float:
    """The probability of log-odds."""
    return 1.0 / (1.0 + math.exp(-log_odds))


def rule_of(cue: Cue) -> CueRule:
    """The rule that a cue follows."""
    if cue in SECOND:
        return SECOND_RULE
    if cue is Cue.FACE_MANIPULATION:
        return MANIPULATION_RULE
    return LEARNED_RULE if cue in LEARNED else WEIGHT_FREE_RULE


@dataclass(frozen=True, slots=True)
class _Evidence:
    score: Score
    log_odds: float
    at: Seconds
    rise: float = 0.0
    """What a sudden rise over the track's own past adds, log-odds."""


class Fusion:
    """What the cues say of one face track. Scores of weight 0 are abstentions: they change nothing."""

    def __init__(self, half_life_s: Seconds) -> None:
        self._half_life = half_life_s
        self._newest: dict[Cue, _Evidence] = {}
        self._spikes: dict[Cue, Spike] = {}

    def add(self, score: Score, now: Seconds) -> None:
        """Take a score."""
        if score.weight == 0.0:
            return
        rule = rule_of(score.cue)
        target = min(max(rule.gain * logit(score.value) * score.weight, rule.floor), rule.cap)
        before = self._newest.get(score.cue)
        step = min(now - before.at, FRESH) if before else FIRST_STEP
        start = self._kept(before, now) * before.log_odds if before else 0.0
        share = 1.0 - 0.5 ** (step / rule.smoothing_s) if rule.smoothing_s else 1.0
        rise = 0.0 if rule.drift is None else self._rise(score, step, rule.drift)
        self._newest[score.cue] = _Evidence(score, start + share * (target - start), now, rise)

    def probability(self, family: Family, now: Seconds) -> float:
        """P(attack of this family), 0..1; 0.1 without evidence."""
        spoken = (part.log_odds for seen in self._of(family) for part in self._parts(seen, now))
        return probability_of(PRIOR + sum(spoken))

    def contributions(self, family: Family, now: Seconds) -> tuple[Contribution, ...]:
        """What each cue of the family adds at this moment, strongest for an attack first."""
        parts = [part for seen in self._of(family) for part in self._parts(seen, now)]
        return tuple(sorted(parts, key=lambda part: -part.log_odds))

    def spoken_within(self, family: Family, span: Seconds, now: Seconds) -> bool:
        """Whether a cue of the family gave an opinion in the last ``span`` seconds."""
        return any(now - seen.at <= span for seen in self._of(family))

    def _of(self, family: Family) -> Iterator[_Evidence]:
        return (seen for cue, seen in self._newest.items() if FAMILY_OF[cue] is family)

    def _parts(self, seen: _Evidence, now: Seconds) -> Iterator[Contribution]:
        score, kept = seen.score, self._kept(seen, now)
        yield Contribution(score.cue, score.value, score.weight, kept * seen.log_odds, score.reason)
        if seen.rise:
            yield Contribution(score.cue, score.value, score.weight, kept * seen.rise, Reason.SPIKE)

    def _rise(self, score: Score, step: Seconds, drift: float) -> float:
        spike = self._spikes.setdefault(score.cue, Spike(drift))
        spike.add(logit(score.value), step * score.weight)
        return spike.evidence() * score.weight

    def _kept(self, seen: _Evidence, now: Seconds) -> float:
        """The share of evidence that time has left."""
        stale = max(now - seen.at - FRESH, 0.0)
        return float(0.5 ** (stale / self._half_life))
