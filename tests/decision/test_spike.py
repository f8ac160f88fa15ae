import pytest

from guard.core.types import Cue, Family, Reason, Score
from guard.decision.fusion import PRIOR, Fusion, probability_of
from guard.decision.spike import CAP, LEARNING_S, Spike

pytestmark = pytest.mark.unit

STEP = 0.125
DRIFT = 1.2


def after(*stretches: tuple[float, float]) -> Spike:
    """A spike detector that saw these (log-odds, seconds)."""
    spike = Spike(DRIFT)
    for log_odds, seconds in stretches:
        for _ in range(round(seconds / STEP)):
            spike.add(log_odds, STEP)
    return spike


def test_a_steady_face_says_nothing_at_any_level() -> None:
    assert after((3.0, 60)).evidence() == 0.0
    assert after((-3.0, 60)).evidence() == 0.0


def test_drift_says_nothing() -> None:
    assert after((-2.0, 20), (-2.0 + DRIFT, 20)).evidence() == 0.0


def test_a_sudden_rise_speaks_within_two_seconds() -> None:
    assert after((-2.0, 20), (1.0, 2)).evidence() == CAP


def test_it_goes_on_speaking_while_the_rise_lasts_and_stops_after_it() -> None:
    assert after((-2.0, 20), (1.0, 30)).evidence() == CAP
    assert after((-2.0, 20), (1.0, 30), (-2.0, 3)).evidence() == 0.0


def test_there_is_nothing_to_compare_with_at_first() -> None:
    assert after((-2.0, LEARNING_S / 2), (2.0, 1)).evidence() == 0.0


def test_one_frame_hardly_speaks() -> None:
    assert after((-2.0, 20), (2.0, STEP)).evidence() < 1.0


def test_a_rise_that_stays_for_many_minutes_goes_on_speaking() -> None:
    assert after((-2.0, 20), (1.0, 1200)).evidence() == CAP


def test_a_dip_does_not_make_the_usual_score_a_rise() -> None:
    assert after((0.5, 30), (-2.5, 5), (0.5, 3)).evidence() == 0.0


def test_doubtful_seconds_teach_little() -> None:
    spike = Spike(DRIFT)
    for _ in range(160):
        spike.add(-2.0, STEP * 0.01)
    for _ in range(16):
        spike.add(0.5, STEP)
    assert spike.evidence() == 0.0


def test_a_fall_says_nothing() -> None:
    assert after((2.0, 20), (-2.0, 5)).evidence() == 0.0


def scored(fusion: Fusion, value: float, seconds: float, start: float) -> float:
    now = start
    for _ in range(round(seconds / STEP)):
        now += STEP
        fusion.add(Score(Cue.FACE_MANIPULATION, value, 1.0, Reason.LEARNED_SCORE), now)
    return now


def test_level_and_rise_together_reach_what_the_level_alone_does_not() -> None:
    level = Fusion(1.5)
    now = scored(level, 0.75, 10, 0.0)
    assert level.probability(Family.MANIPULATION, now) < 0.6
    rise = Fusion(1.5)
    now = scored(rise, 0.75, 3, scored(rise, 0.05, 20, 0.0))
    assert rise.probability(Family.MANIPULATION, now) > 0.85
    reasons = {part.reason for part in rise.contributions(Family.MANIPULATION, now)}
    assert reasons == {Reason.LEARNED_SCORE, Reason.SPIKE}


def test_a_rise_just_over_the_drift_decides_nothing() -> None:
    evidence = after((-2.0, 20), (-2.0 + DRIFT + 0.5, 4)).evidence()
    assert evidence > 0.0
    assert probability_of(PRIOR + evidence) < 0.85
