"""Faces judged one by one, beside the participant that they make up."""

import pytest

from guard.config import DecisionSettings
from guard.core.types import Assessment, Cue, Family, Reason, Score, State, TransitionKind
from guard.core.units import FaceId, Seconds
from guard.decision.judge import Observation, Step
from guard.decision.perface import FaceJudges, FaceTrack, unbroken

pytestmark = pytest.mark.unit

FPS = 8.0
MIN_COVERAGE = 0.6


def seen(face_id: FaceId, value: float = 0.05, *reasons: Reason) -> Observation:
    weight = 0.0 if reasons else 1.0
    return Observation(face_id, reasons, (Score(Cue.FACE_MANIPULATION, value, weight, Reason.LEARNED_SCORE),))


class Film:
    """Frames through the judges, one after the other."""

    def __init__(self) -> None:
        self.judges = FaceJudges(DecisionSettings())
        self.steps: list[tuple[FaceId, Family, TransitionKind]] = []
        self.now: Seconds = 0.0

    def show(self, seconds: Seconds, *observations: Observation) -> "Film":
        for _ in range(round(seconds * FPS)):
            self.judges.observe(observations, self.now)
            taken = self.judges.take_transitions_of_faces()
            self.steps += [(face, step.family, step.kind) for face, step in taken]
            self.now += 1 / FPS
        return self

    def track(self, face_id: FaceId) -> FaceTrack:
        return self.judges.tracks[face_id]

    def raised(self) -> list[tuple[FaceId, Family]]:
        return [(face, family) for face, family, kind in self.steps if kind is TransitionKind.RAISE]


def test_one_face_is_raised_and_the_other_is_not():
    film = Film().show(10, seen(1, 0.05), seen(2, 0.999))
    assert film.raised() == [(2, Family.MANIPULATION)]
    assert film.track(1).headline(MIN_COVERAGE).state is State.BONA_FIDE
    suspected = film.track(2).headline(MIN_COVERAGE)
    assert (suspected.state, suspected.reasons) == (State.ATTACK, (Reason.LEARNED_SCORE,))
    assert suspected.deepfake is not None
    assert suspected.deepfake > 0.9


def test_the_participant_is_judged_by_its_worst_face_all_the_same():
    film = Film().show(10, seen(1, 0.05), seen(2, 0.999))
    assert film.judges.tick(film.now).state is State.ATTACK
    kinds = [step.kind for step in film.judges.take_transitions()]
    assert kinds.pop(0) is TransitionKind.RAISE


def test_coverage_is_over_the_life_of_the_track():
    film = Film().show(20).show(3, seen(1)).show(1).show(4, seen(1)).show(20)
    headline = film.track(1).headline(MIN_COVERAGE)
    assert headline.coverage == pytest.approx(7 / 8, abs=0.05)
    assert (film.track(1).samples[0].at, film.track(1).samples[-1].at) == (20.0, 27.875)


def test_a_face_that_was_hardly_judged_is_not_called_bona_fide():
    film = Film().show(5, seen(1)).show(20, seen(1, 0.5, Reason.BLURRED, Reason.TURNED))
    headline = film.track(1).headline(MIN_COVERAGE)
    assert headline.state is State.INSUFFICIENT
    assert headline.reasons == (Reason.BLURRED, Reason.TURNED)
    assert headline.coverage == pytest.approx(0.2, abs=0.02)
    assert headline.liveness is not None


def test_a_face_that_was_never_judged_has_no_scores():
    headline = Film().show(10, seen(1, 0.5, Reason.TOO_SMALL)).track(1).headline(MIN_COVERAGE)
    assert (headline.state, headline.liveness, headline.deepfake) == (State.INSUFFICIENT, None, None)
    assert (headline.coverage, headline.reasons) == (0.0, (Reason.TOO_SMALL,))


def test_a_face_seen_for_a_moment_was_seen_for_too_short():
    headline = Film().show(1, seen(1)).track(1).headline(MIN_COVERAGE)
    assert (headline.state, headline.reasons) == (State.INSUFFICIENT, (Reason.WARMING_UP,))
    assert headline.deepfake is None
    once = Film().show(1 / FPS, seen(1)).track(1).headline(MIN_COVERAGE)
    assert (once.state, once.coverage) == (State.INSUFFICIENT, 0.0)


def test_suspicion_that_is_not_held_for_two_seconds_is_no_headline():
    film = Film().show(6, seen(1)).show(1, seen(1, 0.999)).show(8, seen(1))
    assert State.SUSPICIOUS in {one.state for one in film.track(1).samples}
    assert film.raised() == []
    assert film.track(1).headline(MIN_COVERAGE).state is State.BONA_FIDE


def test_suspicion_that_is_held_but_not_raised_is_the_headline():
    film = Film().show(10, seen(1, 0.95))
    headline = film.track(1).headline(MIN_COVERAGE)
    assert film.raised() == []
    assert (headline.state, headline.reasons) == (State.SUSPICIOUS, (Reason.LEARNED_SCORE,))


def test_an_alert_that_cleared_stays_the_headline():
    film = Film().show(6, seen(1)).show(5, seen(1, 0.999)).show(20, seen(1))
    assert film.steps[-1] == (1, Family.MANIPULATION, TransitionKind.CLEAR)
    assert film.track(1).headline(MIN_COVERAGE).state is State.ATTACK


def test_a_face_that_hides_is_told_of_the_participant_only():
    film = Film().show(60, seen(1, 0.5, Reason.TOO_DARK))
    assert film.steps == []
    assert {step.family for step in film.judges.take_transitions()} == {Family.GUARD}


def test_a_face_that_is_gone_costs_nothing_further():
    film = Film().show(2, seen(1)).show(10)
    assert not film.judges._alone
    assert len(film.track(1).samples) == 16
    assert all(not one.contributions for one in film.track(1).samples)


def test_nothing_is_held_across_a_gap():
    def track(*times: Seconds) -> FaceTrack:
        made = FaceTrack(1)
        for at in times:
            made.take(
                Assessment(at, 0.9, 0.9, State.SUSPICIOUS, 1.0),
                Step(0.5, judged=True, obstacles=()),
                seen=True,
            )
        return made

    flowing, broken = track(0.0, 0.5, 1.0, 1.5, 2.0), track(0.0, 0.5, 1.0, 2.5, 3.0)
    assert [len(part) for part in unbroken(broken.samples)] == [3, 2]
    assert flowing.headline(MIN_COVERAGE).deepfake == 0.9
    assert flowing.headline(MIN_COVERAGE).state is State.SUSPICIOUS
    assert broken.headline(MIN_COVERAGE).deepfake is None
    assert broken.headline(MIN_COVERAGE).state is State.INSUFFICIENT


def test_every_step_is_accounted_for():
    film = Film()
    film.judges.observe((seen(1),), 0.0)
    film.judges.observe((seen(1),), 0.5)
    assert (film.judges.newest.length, film.judges.newest.judged) == (0.5, True)
    film.judges.observe((), 5.0)
    assert (film.judges.newest.length, film.judges.newest.judged) == (1.0, False)
    assert film.judges.newest.obstacles == (Reason.NO_FACE,)
