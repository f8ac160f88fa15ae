import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.types import Cue, Family, Reason, Score
from guard.decision.fusion import LEARNED_RULE, Fusion, logit, probability_of

pytestmark = pytest.mark.unit

FPS = 8.0


def learned(value: float, weight: float = 1.0) -> Score:
    return Score(Cue.FACE_MANIPULATION, value, weight, Reason.LEARNED_SCORE)


def planar(value: float, weight: float = 1.0) -> Score:
    return Score(Cue.MOTION, value, weight, Reason.PLANAR_MOTION)


def unblinking(value: float) -> Score:
    return Score(Cue.BLINK, value, 1.0, Reason.NO_BLINK)


def feed(fusion: Fusion, score: Score, seconds: float, start: float = 0.0) -> float:
    steps = round(seconds * FPS)
    for step in range(steps):
        fusion.add(score, start + step / FPS)
    return start + (steps - 1) / FPS


def test_no_evidence_means_about_one_in_ten():
    assert Fusion(1.5).probability(Family.PRESENTATION, 0.0) == pytest.approx(0.1, abs=0.01)


def test_one_frame_of_a_learned_cue_never_decides():
    fusion = Fusion(1.5)
    fusion.add(learned(1.0), 0.0)
    assert fusion.probability(Family.MANIPULATION, 0.0) < 0.4


def test_one_frame_after_a_long_pause_never_decides_either():
    fusion = Fusion(1.5)
    fusion.add(learned(0.5), 0.0)
    fusion.add(learned(1.0), 100.0)
    assert fusion.probability(Family.MANIPULATION, 100.0) < 0.75


def test_a_steady_learned_score_decides_within_two_seconds():
    fusion = Fusion(1.5)
    now = feed(fusion, learned(0.99), 2.0)
    assert fusion.probability(Family.MANIPULATION, now) > 0.85


def test_a_person_whom_the_manipulation_net_dislikes_is_not_raised_by_its_level():
    fusion = Fusion(1.5)
    now = feed(fusion, learned(0.95), 60.0)
    assert fusion.probability(Family.MANIPULATION, now) < 0.85


def test_a_swap_switched_on_is_seen_two_seconds_later_despite_a_bona_fide_past():
    fusion = Fusion(1.5)
    now = feed(fusion, learned(0.001), 30.0)
    now = feed(fusion, learned(0.99), 2.0, now + 1 / FPS)
    assert fusion.probability(Family.MANIPULATION, now) > 0.85


def test_weight_scales_what_a_cue_may_say():
    sure, unsure = Fusion(1.5), Fusion(1.5)
    now = feed(sure, learned(0.95, 1.0), 4.0)
    feed(unsure, learned(0.95, 0.3), 4.0)
    assert unsure.probability(Family.MANIPULATION, now) < 0.5 < sure.probability(Family.MANIPULATION, now)


def test_an_abstention_changes_nothing():
    fusion = Fusion(1.5)
    now = feed(fusion, learned(0.97), 2.0)
    before = fusion.contributions(Family.MANIPULATION, now)
    fusion.add(learned(0.0, weight=0.0), now)
    assert fusion.contributions(Family.MANIPULATION, now) == before


def test_evidence_fades_towards_the_prior_with_the_half_life():
    fusion = Fusion(1.5)
    now = feed(fusion, learned(0.99), 3.0)
    (fresh,) = fusion.contributions(Family.MANIPULATION, now)
    (later,) = fusion.contributions(Family.MANIPULATION, now + 0.5 + 1.5)
    assert later.log_odds == pytest.approx(fresh.log_odds / 2)
    assert fusion.probability(Family.MANIPULATION, now + 60) == pytest.approx(0.1, abs=0.01)


def test_one_weight_free_cue_alone_stays_below_the_threshold_unless_certain_and_two_agree():
    fusion = Fusion(1.5)
    now = feed(fusion, planar(0.93), 10.0)
    alone = fusion.probability(Family.PRESENTATION, now)
    feed(fusion, unblinking(0.93), 10.0)
    assert alone < 0.85 <= fusion.probability(Family.PRESENTATION, now)


def test_a_blink_cannot_talk_a_learned_score_down_below_the_threshold():
    fusion = Fusion(1.5)
    presented = Score(Cue.FACE_PRESENTATION, 0.99, 1.0, Reason.LEARNED_SCORE)
    now = feed(fusion, presented, 4.0)
    fusion.add(Score(Cue.BLINK, 0.0, 1.0, Reason.BLINKS), now)
    assert fusion.probability(Family.PRESENTATION, now) > 0.85


def test_families_do_not_mix():
    fusion = Fusion(1.5)
    now = feed(fusion, learned(1.0), 4.0)
    assert fusion.probability(Family.PRESENTATION, now) == pytest.approx(0.1, abs=0.01)
    assert fusion.contributions(Family.PRESENTATION, now) == ()


def test_contributions_name_the_strongest_cue_first():
    fusion = Fusion(1.5)
    fusion.add(planar(0.6), 0.0)
    fusion.add(unblinking(0.9), 0.0)
    cues = [part.cue for part in fusion.contributions(Family.PRESENTATION, 0.0)]
    assert cues == [Cue.BLINK, Cue.MOTION]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 5)), max_size=40),
)
def test_whatever_comes_the_evidence_stays_between_floor_and_cap(
    scores: list[tuple[float, float, float]],
):
    fusion, now = Fusion(1.5), 0.0
    for value, weight, gap in scores:
        now += gap
        fusion.add(learned(value, weight), now)
        for part in fusion.contributions(Family.MANIPULATION, now):
            assert LEARNED_RULE.floor <= part.log_odds <= LEARNED_RULE.cap


@given(st.floats(0.01, 0.99))
def test_logit_and_probability_are_inverse(probability: float):
    assert probability_of(logit(probability)) == pytest.approx(probability)


def test_a_second_opinion_makes_suspicious_and_supports_but_never_raises_alone():
    fusion = Fusion(1.5)
    second = Score(Cue.SECOND_PRESENTATION, 1.0, 1.0, Reason.LEARNED_SCORE)
    now = feed(fusion, second, 30.0)
    assert 0.6 < fusion.probability(Family.PRESENTATION, now) < 0.85
    alone = Fusion(1.5)
    presented = Score(Cue.FACE_PRESENTATION, 0.7, 1.0, Reason.LEARNED_SCORE)
    for _ in range(16):
        now += 1 / FPS
        fusion.add(second, now)
        for one in (fusion, alone):
            one.add(presented, now)
    assert fusion.probability(Family.PRESENTATION, now) > 0.85
    assert alone.probability(Family.PRESENTATION, now) < 0.6


def test_a_second_opinion_that_rises_counts_by_its_level_only():
    fusion = Fusion(1.5)
    now = feed(fusion, Score(Cue.SECOND_PRESENTATION, 0.05, 1.0, Reason.LEARNED_SCORE), 20.0)
    now = feed(fusion, Score(Cue.SECOND_PRESENTATION, 0.8, 1.0, Reason.LEARNED_SCORE), 5.0, now + 1 / FPS)
    assert [part.reason for part in fusion.contributions(Family.PRESENTATION, now)] == [Reason.LEARNED_SCORE]
