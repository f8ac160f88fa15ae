"""How grave a suspicion is, by what it rests on."""

from collections import defaultdict
from collections.abc import Sequence

from guard.core.types import FAMILY_OF, LEARNED, SECOND, Contribution, Cue, Family

LOW = 2
MEDIUM = 3
HIGH = 4
"""OCSF severities. 5 is kept for a failed challenge with an injection hint."""

SUPPORT = 0.5
"""Log-odds from which on a cue counts as supporting the suspicion."""


def severity_of(contributions: Sequence[Contribution], learned_at: float) -> int:
    """2: one witness; 3: a learned score over its threshold, or several witnesses; 4: learned and another.

    ``learned_at`` is the log-odds from which on a learned score stands over its threshold. All engines of a
    family see the same pixels and are one witness, however many agree. Weight-free cues alone never exceed 3:
    they share causes (a person who sits still).
    """
    says: defaultdict[Cue, float] = defaultdict(float)
    for part in contributions:  # a level and its sudden rise are one cue
        says[part.cue] += part.log_odds
    supporting = [cue for cue, log_odds in says.items() if log_odds >= SUPPORT]
    learned = any(cue in LEARNED and says[cue] >= learned_at for cue in supporting)
    several = len({_witness(cue) for cue in supporting}) > 1
    if learned:
        return HIGH if several else MEDIUM
    return MEDIUM if several else LOW


def _witness(cue: Cue) -> Cue | Family:
    return FAMILY_OF[cue] if cue in LEARNED | SECOND else cue
