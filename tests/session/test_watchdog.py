"""The watchdog: what died or hangs is replaced, what it left behind says nothing, too much is told."""

import threading
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
from structlog.testing import capture_logs

from guard.config import AnalysisSettings, DecisionSettings
from guard.core.types import Family, Reason, State, TransitionKind, VideoFrame
from guard.core.units import Seconds
from guard.decision.judge import ParticipantJudge
from guard.session.analysis import Analysis
from guard.session.pipeline import FaceSource, Pipeline, Verdict
from guard.session.watchdog import RESTART_WINDOW, WatchedAnalysis
from tests.support.media import ManualClock
from tests.support.scripted import ScriptedDetector, ScriptedFaces

pytestmark = pytest.mark.unit

PATIENCE = 10.0
STALL = 5.0


class Hanging(ScriptedFaces):
    """Hangs in every frame, as a native library may, until the test lets it go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.gate = threading.Event()

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple:  # type: ignore[type-arg]  # of the base's views
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        return super().observe(frame, now)


class Deadly(ScriptedFaces):
    """Ends the thread that asks it, whatever that thread catches."""

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple:  # type: ignore[type-arg]  # same
        del frame, now
        raise SystemExit


class Bench:
    """A watched analysis of one judge; each new analysis takes the next of these faces."""

    def __init__(self, *faces: ScriptedFaces, value: float = 0.05, restarts: int = 5) -> None:
        self.clock = ManualClock(0.0)
        self.verdicts: list[Verdict] = []
        self.restarted = 0
        self.abandoned: list[Analysis] = []
        self.units = 0
        self.faces = iter(faces)
        self.made: list[FaceSource] = []
        self.judge = ParticipantJudge(DecisionSettings())
        self.take: Callable[[Verdict], None] = self.verdicts.append
        self._detector = ScriptedDetector(value)
        self.watched = WatchedAnalysis(
            "p1",
            AnalysisSettings(stall_after_s=STALL, restarts=restarts),
            lambda: Pipeline(self._next_faces, lambda: (self._detector,), self.judge, self.clock),
            clock=self.clock,
            units=lambda: self.units,
            on_verdict=self._take,
            on_restart=self._count,
            on_abandoned=self.abandoned.append,
        )
        self.watched.start()

    def _next_faces(self) -> FaceSource:
        self.made.append(next(self.faces))
        return self.made[-1]

    def _take(self, verdict: Verdict) -> None:
        self.take(verdict)

    def _count(self) -> None:
        self.restarted += 1

    def offer(self) -> None:
        plane, half = np.full((48, 64), 128, np.uint8), np.full((24, 32), 128, np.uint8)
        at = self.clock.now
        self.watched.offer(VideoFrame(plane, half, half, at, at, at))

    def judge_frames(self, seconds: Seconds, fps: float = 8.0) -> None:
        """Let frames be judged one by one."""
        before = self.watched.judged
        for number in range(round(seconds * fps)):
            self.clock.now += 1 / fps
            self.offer()
            wait_until(partial(self._has_judged, before + number + 1))

    def _has_judged(self, frames: int) -> bool:
        return self.watched.judged == frames

    def hang(self, faces: Hanging) -> None:
        """Hang in a frame until the watchdog would bite."""
        self.clock.now += 1.0
        self.offer()
        assert faces.entered.wait(PATIENCE)
        self.clock.now += STALL


def wait_until(condition: Callable[[], object]) -> None:
    told = threading.Event()
    for _ in range(round(PATIENCE / 0.001)):
        if condition():
            return
        told.wait(0.001)
    raise AssertionError


@pytest.fixture
def quick_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.session.analysis.IDLE", 0.001)


@pytest.fixture
def benches() -> Iterator[list[Bench]]:
    """Whatever hangs is let go at the end."""
    kept: list[Bench] = []
    yield kept
    for bench in kept:
        bench.watched.stop()
        for faces in bench.made:
            if isinstance(faces, Hanging):
                faces.gate.set()
        assert bench.watched._current.join(PATIENCE)


def test_a_healthy_analysis_is_left_alone(benches: list[Bench]):
    bench = Bench(ScriptedFaces())
    benches.append(bench)
    bench.judge_frames(3.0)
    bench.watched.check()
    bench.clock.now += 100.0  # without a frame in hand
    bench.watched.check()
    assert (bench.restarted, len(bench.made)) == (0, 1)


def test_one_that_hangs_is_replaced_and_the_new_one_judges(benches: list[Bench]):
    stuck = Hanging()
    bench = Bench(stuck, ScriptedFaces())
    benches.append(bench)
    bench.hang(stuck)
    bench.clock.now -= 0.1
    bench.watched.check()
    assert bench.restarted == 0
    bench.clock.now += 0.1
    bench.watched.check()
    assert bench.restarted == 1
    bench.judge_frames(1.0)
    assert bench.watched.judged == 8


def test_what_an_abandoned_analysis_says_later_reaches_nobody(benches: list[Bench]):
    stuck = Hanging()
    bench = Bench(stuck, ScriptedFaces())
    benches.append(bench)
    bench.hang(stuck)
    old = bench.watched._current
    bench.watched.check()
    bench.judge_frames(1.0)
    seen = list(bench.verdicts)
    stuck.gate.set()
    assert old.join(PATIENCE)
    assert bench.verdicts == seen
    assert stuck.closed
    assert bench.watched.judged == 8


def test_an_open_alert_and_its_wait_outlast_a_restart(benches: list[Bench]):
    stuck = Hanging()
    bench = Bench(ScriptedFaces(), stuck, ScriptedFaces(), value=0.999)
    benches.append(bench)
    bench.judge_frames(8.0)
    assert raises(bench) == 1
    kill(bench)
    bench.hang(stuck)
    bench.watched.check()
    bench.judge_frames(8.0)
    assert bench.restarted == 2
    assert raises(bench) == 1
    assert bench.verdicts[-1].assessment.state is State.ATTACK


def raises(bench: Bench) -> int:
    steps = [step for verdict in bench.verdicts for step in verdict.transitions]
    return sum(step.kind is TransitionKind.RAISE and step.family is Family.MANIPULATION for step in steps)


def kill(bench: Bench) -> None:
    """End the thread from outside, as nothing in it does."""
    bench.watched._current.stop()
    assert bench.watched._current.join(PATIENCE)
    bench.watched.check()


def test_no_face_id_comes_up_again_and_what_was_counted_stays_counted(benches: list[Bench]):
    bench = Bench(ScriptedFaces(), ScriptedFaces())
    benches.append(bench)
    bench.judge_frames(1.0)
    assert bench.judge.known_faces() == {1}
    kill(bench)
    bench.judge_frames(1.0)
    assert bench.judge.known_faces() == {1, 2}
    assert bench.watched.judged == 16


def test_no_face_id_comes_up_again_after_a_time_without_faces(benches: list[Bench]):
    bench = Bench(ScriptedFaces(), ScriptedFaces())
    benches.append(bench)
    bench.judge_frames(1.0)
    bench.clock.now += 9.0
    bench.judge.observe((), bench.clock.now)
    assert bench.judge.known_faces() == set()
    kill(bench)
    bench.judge_frames(1.0)
    assert bench.judge.known_faces() == {2}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_whose_thread_died_is_replaced(benches: list[Bench]):
    bench = Bench(Deadly(), ScriptedFaces())
    benches.append(bench)
    bench.clock.now = 1.0
    bench.offer()
    wait_until(lambda: not bench.watched._current.alive)
    bench.watched.check()
    bench.judge_frames(1.0)
    assert (bench.restarted, bench.watched.judged) == (1, 8)


def test_too_many_restarts_in_a_minute_end_in_a_judgement_that_says_so(
    benches: list[Bench], quick_idle: None
):
    del quick_idle
    bench = Bench(restarts=2)
    benches.append(bench)
    with capture_logs() as logs:
        for _ in range(3):
            kill(bench)
    assert bench.restarted == 2
    assert bench.watched.given_up is not None
    assert "2 restarts" in bench.watched.given_up
    assert [entry["event"] for entry in logs] == ["analysis restarted"] * 2 + ["analysis given up"]
    kill(bench)  # once in a while it is replaced all the same: its silence would look like peace
    assert not bench.watched._current.alive
    bench.clock.now += RESTART_WINDOW - 0.1
    bench.watched.check()
    assert not bench.watched._current.alive
    bench.clock.now += 0.1
    bench.watched.check()
    assert bench.watched._current.alive
    until_unjudged(bench)


def until_unjudged(bench: Bench) -> None:
    """Units come, and after half a minute the judge raises what it raises for all that cannot be judged."""

    def raised() -> bool:
        bench.units += 1
        bench.clock.now += 0.05
        return any(
            step.family is Family.GUARD and Reason.ANALYSIS_TROUBLE in step.reasons
            for verdict in list(bench.verdicts)
            for step in verdict.transitions
        )

    wait_until(raised)


def test_restarts_of_long_ago_do_not_count(benches: list[Bench]):
    bench = Bench(restarts=2)
    benches.append(bench)
    for _ in range(6):
        kill(bench)
        bench.clock.now += RESTART_WINDOW / 2 + 0.1
    assert bench.watched.given_up is None
    assert bench.restarted == 6


def test_threads_left_behind_are_bounded_however_slowly_they_come(benches: list[Bench]):
    stuck = [Hanging() for _ in range(3)]
    bench = Bench(*stuck, restarts=2)
    benches.append(bench)
    for faces in stuck:
        bench.clock.now += 10 * RESTART_WINDOW
        bench.hang(faces)
        bench.watched.check()
    assert bench.watched.given_up is not None
    assert [one.alive for one in bench.abandoned] == [True] * 3


def test_one_that_cannot_be_started_is_replaced_and_counted_once(
    benches: list[Bench], monkeypatch: pytest.MonkeyPatch
):
    bench = Bench(ScriptedFaces(), ScriptedFaces())
    benches.append(bench)
    bench.judge_frames(1.0)

    def refuse(_analysis: Analysis) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(Analysis, "start", refuse)
        with pytest.raises(RuntimeError, match="start"):
            kill(bench)
    bench.watched.check()
    bench.judge_frames(1.0)
    assert bench.watched.judged == 16


def test_one_that_waits_for_the_desk_is_not_restarted_but_told(benches: list[Bench]):
    bench = Bench(ScriptedFaces())
    benches.append(bench)
    entered, gate = threading.Event(), threading.Event()

    def wait_for_the_disk(verdict: Verdict) -> None:
        entered.set()
        assert gate.wait(PATIENCE)
        bench.verdicts.append(verdict)

    bench.take = wait_for_the_disk
    bench.clock.now = 1.0
    bench.offer()
    assert entered.wait(PATIENCE)
    bench.clock.now += STALL
    bench.watched.check()
    assert bench.watched.held_up
    assert bench.restarted == 0
    gate.set()
    wait_until(lambda: bench.watched.judged)
    bench.watched.check()
    assert not bench.watched.held_up
    assert len(bench.verdicts) == 1


async def test_nothing_is_restarted_after_the_end(benches: list[Bench]):
    stuck = Hanging()
    bench = Bench(stuck)
    benches.append(bench)
    bench.hang(stuck)
    bench.watched.stop()
    bench.watched.check()
    assert bench.restarted == 0
    assert not await bench.watched.end(0.01)
    assert bench.abandoned == [bench.watched._current]
    stuck.gate.set()
    assert await bench.watched.end(PATIENCE)
    assert bench.verdicts == []


async def test_one_that_waits_for_the_desk_at_the_end_says_no_more_after_it(benches: list[Bench]):
    bench = Bench(ScriptedFaces())
    benches.append(bench)
    entered, gate = threading.Event(), threading.Event()

    def wait_for_the_disk(verdict: Verdict) -> None:
        entered.set()
        assert gate.wait(PATIENCE)
        bench.verdicts.append(verdict)

    bench.take = wait_for_the_disk
    for bench.clock.now in (1.0, 2.0):
        bench.offer()
        assert entered.wait(PATIENCE)
    assert not await bench.watched.end(0.01)
    gate.set()
    assert await bench.watched.end(PATIENCE)
    assert len(bench.verdicts) == 1
