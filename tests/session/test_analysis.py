"""The analysis thread: sampling, newest wins, failures."""

import threading

import numpy as np
import pytest

from guard.core.types import Assessment, Reason, State, VideoFrame
from guard.core.units import Seconds
from guard.session.analysis import Analysis
from guard.session.pipeline import Sighting, Verdict
from guard.telemetry.stamps import Stamps

pytestmark = pytest.mark.unit

PATIENCE = 5.0


def frame(at: Seconds) -> VideoFrame:
    plane, half = np.zeros((4, 4), np.uint8), np.zeros((2, 2), np.uint8)
    return VideoFrame(plane, half, half, at, at, at)


class GatedPipeline:
    """Notes frames; waits in each until the test lets it go on."""

    def __init__(self) -> None:
        self.seen: list[Seconds] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.fails = False
        self.closed = threading.Event()

    def look(self, frame: VideoFrame) -> Sighting:
        self.seen.append(frame.arrived_at)
        self.entered.release()
        assert self.gate.acquire(timeout=PATIENCE)
        if self.fails:
            msg = "a native library's complaint"
            raise ValueError(msg)
        return Sighting(frame.arrived_at, (), Stamps(frame.arrived_at))

    def judge(self, seen: Sighting) -> Verdict:
        return self.tick(seen.at)

    def tick(self, now: Seconds) -> Verdict:
        return Verdict(Assessment(now, 0.1, 0.9, State.BONA_FIDE, 1.0), (), None)

    def unjudged(self, reason: Reason, now: Seconds) -> Verdict:
        return Verdict(Assessment(now, 0.1, 0.9, State.INSUFFICIENT, 0.0, (reason,)), (), None)

    def close(self) -> None:
        self.closed.set()


class Bench:
    """An analysis over a gated pipeline."""

    def __init__(self, fps: float = 10.0, *, given_up: bool = False) -> None:
        self.pipeline = GatedPipeline()
        self.verdicts: list[Verdict] = []
        self.told = threading.Semaphore(0)
        self.taking = threading.Event()
        self.may_take = threading.Lock()
        self.units = 0
        self.analysis = Analysis(
            "p1",
            self.pipeline,  # type: ignore[arg-type]  # a pipeline in all but name
            fps,
            clock=lambda: 0.0,
            units=lambda: self.units,
            on_verdict=self._take,
            given_up=given_up,
        )
        self.analysis.start()

    def _take(self, verdict: Verdict) -> None:
        self.taking.set()
        with self.may_take:
            self.verdicts.append(verdict)
        self.told.release()

    def offer(self, at: Seconds) -> None:
        self.analysis.offer(frame(at))

    def let_go(self, frames: int = 1) -> None:
        for _ in range(frames):
            self.pipeline.gate.release()

    def entered(self) -> bool:
        return self.pipeline.entered.acquire(timeout=PATIENCE)

    def end(self) -> None:
        self.analysis.stop()
        self.let_go(100)
        assert self.analysis.join(PATIENCE)


def test_frames_between_two_due_times_are_skipped():
    bench = Bench(fps=10.0)
    for number in range(30):
        bench.offer(number / 30)
        if len(bench.analysis._mailbox):
            bench.let_go()
            assert bench.entered()
    bench.end()
    assert len(bench.pipeline.seen) == 10
    assert bench.analysis.dropped == 0


def test_a_camera_slower_than_the_sampling_is_analysed_whole():
    bench = Bench(fps=10.0)
    for number in range(10):
        bench.offer(number / 7)
        bench.let_go()
        assert bench.entered()
    bench.end()
    assert len(bench.pipeline.seen) == 10


def test_the_newest_frame_wins_and_the_loss_is_counted():
    bench = Bench(fps=10.0)
    bench.offer(0.0)
    assert bench.entered()
    for at in (0.1, 0.2, 0.3):
        bench.offer(at)
    bench.let_go(2)
    assert bench.entered()
    bench.end()
    assert bench.pipeline.seen == [0.0, 0.3]
    assert bench.analysis.dropped == 2


def test_a_pause_starts_a_new_grid():
    bench = Bench(fps=10.0)
    for at in (0.0, 50.0, 50.05, 50.1):
        bench.offer(at)
        if len(bench.analysis._mailbox):
            bench.let_go()
            assert bench.entered()
    bench.end()
    assert bench.pipeline.seen == [0.0, 50.0, 50.1]


def test_whatever_a_frame_does_the_watch_goes_on_and_says_so():
    bench = Bench()
    bench.pipeline.fails = True
    bench.offer(0.0)
    bench.let_go()
    assert bench.told.acquire(timeout=PATIENCE)
    assert bench.verdicts[0].assessment.reasons == (Reason.ANALYSIS_TROUBLE,)
    bench.pipeline.fails = False
    bench.offer(1.0)
    bench.let_go()
    assert bench.told.acquire(timeout=PATIENCE)
    bench.end()
    assert bench.analysis.failures == 1
    assert bench.analysis.judged == 1


def test_video_that_arrives_but_cannot_be_decoded_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.session.analysis.IDLE", 0.001)
    bench = Bench()
    bench.units = 5
    while bench.told.acquire(timeout=PATIENCE):
        if bench.verdicts[-1].assessment.reasons == (Reason.DECODE_TROUBLE,):
            break
    while bench.told.acquire(timeout=PATIENCE):  # no more units: silence is no trouble
        if bench.verdicts[-1].assessment.state is State.BONA_FIDE:
            break
    bench.end()


def test_the_pipeline_is_closed_in_its_own_thread_at_the_end():
    bench = Bench()
    bench.end()
    assert bench.pipeline.closed.is_set()


def test_a_silenced_analysis_says_nothing_whenever_it_comes_back():
    bench = Bench()
    bench.offer(0.0)
    assert bench.entered()
    assert bench.analysis.silence()
    assert bench.analysis.alive
    bench.let_go()
    assert bench.analysis.join(PATIENCE)
    assert bench.verdicts == []
    assert bench.pipeline.closed.is_set()


def test_a_silenced_analysis_that_fails_says_nothing_either():
    bench = Bench()
    bench.pipeline.fails = True
    bench.offer(0.0)
    assert bench.entered()
    assert bench.analysis.silence()
    bench.let_go()
    assert bench.analysis.join(PATIENCE)
    assert bench.verdicts == []


def test_an_analysis_is_not_silenced_in_mid_sentence():
    bench = Bench()
    with bench.may_take:  # whoever takes the verdict is held up, by a slow disk for instance
        bench.offer(0.0)
        bench.let_go()
        assert bench.taking.wait(PATIENCE)
        assert not bench.analysis.silence()
    assert bench.told.acquire(timeout=PATIENCE)
    bench.end()
    assert len(bench.verdicts) == 1


def test_one_that_has_given_up_looks_at_nothing_and_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.session.analysis.IDLE", 0.001)
    bench = Bench(given_up=True)
    bench.offer(0.0)
    bench.units = 5
    while bench.told.acquire(timeout=PATIENCE):
        if bench.verdicts[-1].assessment.reasons == (Reason.ANALYSIS_TROUBLE,):
            break
    bench.end()
    assert bench.pipeline.seen == []


def test_how_long_a_frame_takes_is_told():
    bench = Bench()
    assert bench.analysis.busy_for(7.0) == 0.0
    bench.offer(0.0)
    assert bench.entered()
    assert bench.analysis.busy_for(7.0) == 7.0
    bench.let_go()
    assert bench.told.acquire(timeout=PATIENCE)
    bench.end()


def test_an_analysis_that_never_started_can_be_joined():
    analysis = Analysis(
        "p1",
        GatedPipeline(),  # type: ignore[arg-type]  # a pipeline in all but name
        10.0,
        clock=lambda: 0.0,
        units=lambda: 0,
        on_verdict=lambda _: None,
    )
    analysis.stop()
    assert analysis.join(0.1)
