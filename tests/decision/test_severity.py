import pytest

from guard.core.types import Contribution, Cue, Reason
from guard.decision.severity import severity_of

pytestmark = pytest.mark.unit

LEARNED_AT = 1.73


def part(cue: Cue, log_odds: float) -> Contribution:
    return Contribution(cue, 0.9, 1.0, log_odds, Reason.LEARNED_SCORE)


@pytest.mark.parametrize(
    ("parts", "severity"),
    [
        ([part(Cue.BLINK, 4.0)], 2),
        ([part(Cue.BLINK, 4.0), part(Cue.MOTION, 4.0)], 3),
        ([part(Cue.BLINK, 4.0), part(Cue.MOTION, 0.1)], 2),
        ([part(Cue.FACE_PRESENTATION, 4.0)], 3),
        ([part(Cue.FACE_PRESENTATION, 4.0), part(Cue.BLINK, 1.0)], 4),
        ([part(Cue.FACE_PRESENTATION, 4.0), part(Cue.BLINK, -1.0)], 3),
        ([part(Cue.FACE_PRESENTATION, 0.6), part(Cue.BLINK, 4.0)], 3),
        ([part(Cue.FACE_PRESENTATION, 0.6)], 2),
        # engines of one family see the same pixels: one witness
        ([part(Cue.FACE_PRESENTATION, 4.0), part(Cue.SECOND_PRESENTATION, 3.5)], 3),
        ([part(Cue.FACE_PRESENTATION, 0.6), part(Cue.SECOND_PRESENTATION, 3.5)], 2),
        ([part(Cue.FACE_PRESENTATION, 4.0), part(Cue.SECOND_PRESENTATION, 3.5), part(Cue.BLINK, 1.0)], 4),
        # a second opinion was never calibrated on a call
        ([part(Cue.SECOND_PRESENTATION, 3.5)], 2),
        ([part(Cue.SECOND_PRESENTATION, 3.5), part(Cue.BLINK, 4.0)], 3),
        ([], 2),
    ],
)
def test_severity_says_what_a_suspicion_rests_on(parts: list[Contribution], severity: int):
    assert severity_of(parts, LEARNED_AT) == severity
