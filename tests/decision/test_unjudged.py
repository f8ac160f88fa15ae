import pytest

from guard.config.settings import DecisionSettings
from guard.core.types import Assessment, Family, Reason, State, Transition, TransitionKind
from guard.decision.unjudged import UnjudgedWatch

pytestmark = pytest.mark.unit

STEP = 0.25


class Watched:
    def __init__(self) -> None:
        self.watch = UnjudgedWatch(DecisionSettings())
        self.now = 0.0
        self.steps: list[Transition] = []

    def run(self, seconds: float, coverage: float, state: State = State.INSUFFICIENT) -> None:
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            assessment = Assessment(self.now, 0.1, 0.9, state, coverage)
            self.steps.extend(self.watch.step(assessment, (Reason.TURNED,), STEP))

    def edges(self) -> list[tuple[TransitionKind, float]]:
        return [(one.kind, one.at) for one in self.steps if one.kind is not TransitionKind.UPDATE]


def test_hiding_for_thirty_seconds_is_raised_with_its_reason():
    hidden = Watched()
    hidden.run(40.0, coverage=0.2)
    (raised, *_) = hidden.steps
    assert (raised.family, raised.kind, raised.severity) == (Family.GUARD, TransitionKind.RAISE, 2)
    assert raised.at == pytest.approx(30.0)
    assert raised.reasons == (Reason.TURNED,)


def test_it_clears_when_judged_again():
    hidden = Watched()
    hidden.run(40.0, coverage=0.0)
    hidden.run(1.0, coverage=0.7, state=State.BONA_FIDE)
    assert [kind for kind, _ in hidden.edges()] == [TransitionKind.RAISE, TransitionKind.CLEAR]


def test_short_absences_do_not_add_up():
    hidden = Watched()
    for _ in range(10):
        hidden.run(20.0, coverage=0.0)
        hidden.run(1.0, coverage=0.8, state=State.BONA_FIDE)
    assert hidden.steps == []


def test_hiding_right_after_suspicion_is_graver():
    hidden = Watched()
    hidden.run(5.0, coverage=1.0, state=State.SUSPICIOUS)
    hidden.run(3.0, coverage=0.8, state=State.BONA_FIDE)
    hidden.run(40.0, coverage=0.0)
    assert hidden.steps[0].severity == 3


def test_suspicion_long_past_does_not_count():
    hidden = Watched()
    hidden.run(5.0, coverage=1.0, state=State.SUSPICIOUS)
    hidden.run(30.0, coverage=0.8, state=State.BONA_FIDE)
    hidden.run(40.0, coverage=0.0)
    assert hidden.steps[0].severity == 2
