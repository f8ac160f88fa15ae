"""Several judges of one cue."""

import numpy as np
import pytest

from guard.core.types import Cue, FaceView, Reason, Score, VideoFrame
from guard.core.units import Seconds
from guard.detectors.panel import Panel
from tests.support.scripted import view_of

pytestmark = pytest.mark.unit

GREY = np.zeros((18, 32), np.uint8)
FRAME = VideoFrame(np.zeros((36, 64), np.uint8), GREY, GREY, 0.0, 0.0, 0.0)


class Says:
    """Gives one score, or none."""

    cue = Cue.SECOND_PRESENTATION

    def __init__(
        self, value: float | None, weight: float = 1.0, reason: Reason = Reason.LEARNED_SCORE
    ) -> None:
        self.score = None if value is None else Score(self.cue, value, weight, reason)
        self.resets = 0

    def observe(self, face: FaceView, now: Seconds) -> Score | None:  # noqa: ARG002 -- what it says is fixed
        """Say it."""
        return self.score

    def reset(self) -> None:
        """Count it."""
        self.resets += 1


def said(*judges: Says) -> Score | None:
    return Panel(Cue.SECOND_PRESENTATION, judges).observe(view_of(FRAME, 1), 0.0)


def test_the_mean_is_told_each_by_its_weight():
    score = said(Says(0.9, 1.0), Says(0.3, 0.5))
    assert score is not None
    assert (score.cue, score.reason) == (Cue.SECOND_PRESENTATION, Reason.LEARNED_SCORE)
    assert [score.value, score.weight] == pytest.approx([0.7, 0.75])


def test_who_abstains_takes_no_part():
    score = said(Says(0.9, 0.4), Says(0.5, 0.0, Reason.BLURRED), Says(None))
    assert score is not None
    assert [score.value, score.weight] == pytest.approx([0.9, 0.4])


def test_where_all_abstain_the_first_says_why():
    score = said(Says(0.5, 0.0, Reason.TOO_SMALL), Says(0.5, 0.0, Reason.BLURRED))
    assert score is not None
    assert (score.weight, score.reason) == (0.0, Reason.TOO_SMALL)
    assert said(Says(None), Says(None)) is None


def test_all_of_them_forget():
    judges = [Says(0.9), Says(0.1)]
    Panel(Cue.SECOND_PRESENTATION, judges).reset()
    assert [judge.resets for judge in judges] == [1, 1]
