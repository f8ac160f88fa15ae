from collections.abc import Sequence

import pytest

from guard.config.settings import DecisionSettings
from guard.core.types import Cue, Family, Reason, Score, State, Transition, TransitionKind
from guard.decision.judge import Observation, ParticipantJudge

pytestmark = pytest.mark.unit

FPS = 8.0
HIDDEN = (Reason.TURNED,)


def manipulated(value: float) -> tuple[Score, ...]:
    return (Score(Cue.FACE_MANIPULATION, value, 1.0, Reason.LEARNED_SCORE),)


def presented(value: float) -> tuple[Score, ...]:
    return (Score(Cue.FACE_PRESENTATION, value, 1.0, Reason.LEARNED_SCORE),)


BONA_FIDE = manipulated(0.05) + presented(0.05)


class Call:
    """One participant judged in virtual time."""

    def __init__(self, **settings: float) -> None:
        self.judge = ParticipantJudge(DecisionSettings.model_validate(settings))
        self.now = 0.0
        self.steps: list[Transition] = []
        self.assessment = self.judge.tick(0.0)

    def show(self, seconds: float, *seen: Observation) -> None:
        for _ in range(round(seconds * FPS)):
            self.now += 1 / FPS
            self.assessment = self.judge.observe(seen, self.now)
            self.steps.extend(self.judge.take_transitions())

    def state(self) -> State:
        return self.assessment.state

    def edges(self, family: Family) -> list[TransitionKind]:
        """Raises and clears of one family."""
        return [one.kind for one in self.steps if one.family is family and one.kind != TransitionKind.UPDATE]

    def first(self, kind: TransitionKind, family: Family) -> Transition:
        return next(one for one in self.steps if one.kind is kind and one.family is family)


def seen(scores: Sequence[Score], face_id: int = 1, reasons: tuple[Reason, ...] = ()) -> Observation:
    return Observation(face_id, reasons, tuple(scores))


def test_a_bona_fide_caller_is_judged_and_raises_nothing():
    call = Call()
    call.show(60.0, seen(BONA_FIDE))
    assert call.state() is State.BONA_FIDE
    assert call.assessment.coverage == pytest.approx(1.0)
    assert call.assessment.liveness > 0.85
    assert call.assessment.deepfake < 0.1
    assert call.steps == []


def test_the_first_seconds_are_insufficient_and_say_so():
    call = Call()
    call.show(0.5, seen(()))
    assert call.state() is State.INSUFFICIENT
    assert call.assessment.reasons == (Reason.WARMING_UP,)


def test_a_participant_without_a_face_is_insufficient():
    call = Call()
    call.show(5.0)
    assert call.state() is State.INSUFFICIENT
    assert call.assessment.reasons == (Reason.NO_FACE,)
    assert call.assessment.face_id is None


def test_a_swap_switched_on_mid_call_raises_within_five_seconds_and_clears_when_off():
    call = Call()
    call.show(20.0, seen(BONA_FIDE))
    call.show(10.0, seen(manipulated(0.98) + presented(0.05)))
    raised = call.first(TransitionKind.RAISE, Family.MANIPULATION)
    assert 22.0 < raised.at < 25.0
    assert raised.severity == 3
    assert raised.face_id == 1
    assert set(raised.reasons) == {Reason.LEARNED_SCORE, Reason.SPIKE}
    assert call.state() is State.ATTACK
    call.show(20.0, seen(BONA_FIDE))
    cleared = call.first(TransitionKind.CLEAR, Family.MANIPULATION)
    assert 40.0 < cleared.at < 43.0
    assert call.state() is State.BONA_FIDE
    assert call.edges(Family.PRESENTATION) == []


def test_an_open_alert_is_updated_with_every_frame():
    call = Call()
    call.show(10.0, seen(manipulated(0.99)))
    assert {one.kind for one in call.steps[1:]} == {TransitionKind.UPDATE}


def test_one_wild_frame_never_raises_and_never_makes_suspicious():
    call = Call()
    call.show(10.0, seen(BONA_FIDE))
    call.show(1 / FPS, seen(manipulated(1.0) + presented(1.0)))
    assert call.state() is State.BONA_FIDE
    call.show(10.0, seen(BONA_FIDE))
    assert call.steps == []


def test_suspicion_shows_before_the_alert():
    call = Call(raise_hold_s=30.0)
    call.show(10.0, seen(manipulated(0.98)))
    assert call.state() is State.SUSPICIOUS
    assert call.assessment.reasons == (Reason.LEARNED_SCORE,)


def test_an_alert_never_clears_because_the_face_left():
    call = Call()
    call.show(10.0, seen(manipulated(0.99)))
    call.show(120.0)
    assert call.edges(Family.MANIPULATION) == [TransitionKind.RAISE]
    assert call.state() is State.INSUFFICIENT
    assert call.judge.known_faces() == set()


def test_an_alert_never_clears_while_the_face_hides():
    call = Call()
    call.show(10.0, seen(manipulated(0.99)))
    call.show(120.0, seen((), reasons=HIDDEN))
    assert call.edges(Family.MANIPULATION) == [TransitionKind.RAISE]
    assert call.assessment.reasons == HIDDEN


def test_another_cue_does_not_speak_for_the_one_that_raised():
    call = Call()
    call.show(10.0, seen(manipulated(0.99)))
    call.show(60.0, seen(presented(0.01)))
    assert call.edges(Family.MANIPULATION) == [TransitionKind.RAISE]


def test_another_face_does_not_clear_while_the_suspected_one_hides():
    call = Call()
    call.show(10.0, seen(manipulated(0.99), face_id=1))
    call.show(60.0, seen((), face_id=1, reasons=HIDDEN), seen(BONA_FIDE, face_id=2))
    assert call.edges(Family.MANIPULATION) == [TransitionKind.RAISE]


def test_after_the_suspected_face_left_a_judged_bona_fide_face_clears():
    call = Call()
    call.show(10.0, seen(manipulated(0.99), face_id=1))
    call.show(20.0, seen(BONA_FIDE, face_id=2))
    assert call.edges(Family.MANIPULATION) == [TransitionKind.RAISE, TransitionKind.CLEAR]


def test_the_worst_face_speaks_for_the_participant():
    call = Call()
    call.show(10.0, seen(BONA_FIDE, face_id=1), seen(manipulated(0.99), face_id=2))
    assert call.state() is State.ATTACK
    assert call.assessment.face_id == 2
    assert call.assessment.deepfake > 0.9


def test_bad_faces_raise_nothing_whatever_the_cues_say():
    call = Call(unjudged_after_s=1000.0)
    call.show(60.0, seen(manipulated(0.99), reasons=(Reason.TOO_SMALL,)))
    assert call.steps == []


def test_abstentions_count_as_not_judged_and_give_their_reason():
    call = Call()
    abstained = Score(Cue.FACE_PRESENTATION, 0.5, 0.0, Reason.TOO_SMALL)
    call.show(5.0, seen((abstained,)))
    assert call.assessment.coverage == 0.0
    assert call.assessment.reasons == (Reason.TOO_SMALL,)


def test_a_slow_cue_keeps_a_face_judged_between_its_scores():
    call = Call()
    for _ in range(10):
        call.show(1 / FPS, seen(presented(0.1)))
        call.show(7 / FPS, seen(()))
    assert call.assessment.coverage == pytest.approx(1.0)


def test_without_frames_coverage_fades_and_nothing_happens_to_alerts():
    call = Call()
    call.show(10.0, seen(manipulated(0.99)))
    call.judge.take_transitions()
    assessment = call.judge.tick(call.now + 60.0)
    assert assessment.coverage == 0.0
    assert assessment.state is State.INSUFFICIENT
    assert call.judge.take_transitions() == ()


def test_the_transitions_are_handed_out_once():
    judge = ParticipantJudge(DecisionSettings())
    for step in range(80):
        judge.observe([seen(manipulated(0.99))], step / FPS)
    assert judge.take_transitions() != ()
    assert judge.take_transitions() == ()


def test_a_learned_score_with_an_independent_cue_is_severity_four():
    call = Call()
    both = (*presented(0.99), Score(Cue.MOTION, 0.9, 1.0, Reason.PLANAR_MOTION))
    call.show(10.0, seen(both))
    assert call.first(TransitionKind.RAISE, Family.PRESENTATION).severity == 4


def test_weight_free_cues_alone_stay_at_three():
    call = Call()
    both = (
        Score(Cue.BLINK, 0.97, 1.0, Reason.NO_BLINK),
        Score(Cue.MOTION, 0.97, 1.0, Reason.PLANAR_MOTION),
    )
    call.show(30.0, seen(both))
    assert max(one.severity for one in call.steps) == 3
