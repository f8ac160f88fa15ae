"""How grave a suspicion is, by what it rests on."""

from collections import defaultdict
from collections.abc import Sequence

from guard.core.types import LEARNED, Contribution, Cue

LOW = 2
MEDIUM = 3
HIGH = 4
"""OCSF severities. 5 is kept for a failed challenge with an injection hint."""

SUPPORT = 0.5
"""Log-odds from which on a cue counts as supporting the suspicion."""


def severity_of(contributions: Sequence[Contribution], learned_at: float) -> int:
    """2: one weight-free cue; 3: a learned score over its threshold, or several cues; 4: learned and another.

    ``learned_at`` is the log-odds from which on a learned score stands over its threshold. Weight-free cues
    alone never exceed 3, however many agree: they share causes (a person who sits still).
    """
    says: defaultdict[Cue, float] = defaultdict(float)
    for part in contributions:  # a level and its sudden rise are one cue
        says[part.cue] += part.log_odds
    supporting = [cue for cue, log_odds in says.items() if log_odds >= SUPPORT]
    learned = any(cue in LEARNED and says[cue] >= learned_at for cue in supporting)
    several = len(supporting) > 1
    if learned:
        return HIGH if several else MEDIUM
    return MEDIUM if several else LOW
