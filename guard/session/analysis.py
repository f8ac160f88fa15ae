"""A participant's analysis thread: takes the newest due frame, never makes the call wait."""

import threading
from collections import deque
from collections.abc import Callable
from functools import partial

import structlog

from guard.core.types import Reason, VideoFrame
from guard.core.units import Clock, Seconds
from guard.core.windows import Sampling
from guard.flow.mailbox import Closed, Mailbox
from guard.media.worker import attempt
from guard.session.pipeline import Pipeline, Verdict

logger = structlog.get_logger(__name__)

IDLE: Seconds = 0.5
"""Without a frame for so long the judge is told, and whether video arrives nevertheless."""

TELL_EVERY: Seconds = 10.0
"""Failures are logged at most this often; all are counted."""

RATE_SPAN: Seconds = 2.0


class Analysis:
    """Runs one pipeline in its own thread at no more than ``fps`` frames a second.

    ``offer`` is called from the decode thread for every frame. Frames between two due times are skipped (that
    is the sampling); a due frame that finds the thread busy replaces the waiting one (drop-oldest, counted).
    ``units`` tells how many pictures have arrived, decoded or not. ``on_verdict`` is called in the analysis
    thread. Nothing that a frame does to the pipeline ends the watch. One that has ``given_up`` looks at no
    frame: it says of all video that it could not be judged.
    """

    def __init__(
        self,
        name: str,
        pipeline: Pipeline,
        fps: float,
        *,
        clock: Clock,
        units: Callable[[], int],
        on_verdict: Callable[[Verdict], None],
        given_up: bool = False,
    ) -> None:
        self._name = name
        self._pipeline = pipeline
        self._sampling = Sampling(fps)
        self._clock = clock
        self._units = units
        self._on_verdict = on_verdict
        self._given_up = given_up
        self._mailbox: Mailbox[VideoFrame] = Mailbox(1)
        self._units_seen = 0
        self._told_at: Seconds = float("-inf")
        self._judged_at: deque[Seconds] = deque(maxlen=64)
        self._thread = threading.Thread(target=self._run, name=f"analysis-{name}", daemon=True)
        self._speaking = threading.Lock()
        self._silenced = False
        self._busy_since: Seconds | None = None
        self.failures = 0
        self.judged = 0

    @property
    def dropped(self) -> int:
        """Due frames that were replaced because the thread was busy."""
        return self._mailbox.dropped

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def rate(self, now: Seconds) -> float:
        """Frames judged a second, over the last two seconds."""
        return sum(now - at <= RATE_SPAN for at in tuple(self._judged_at)) / RATE_SPAN

    def busy_for(self, now: Seconds) -> Seconds:
        """How long the thread has had the frame in hand; 0 without one."""
        since = self._busy_since
        return 0.0 if since is None else now - since

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def offer(self, frame: VideoFrame) -> None:
        """Hand over a frame; never blocks."""
        if not self._given_up and self._sampling.due(frame.arrived_at):
            self._mailbox.put(frame)

    def stop(self) -> None:
        """Ask the thread to end after the frame in hand; see ``join``."""
        self._mailbox.close()

    def silence(self) -> bool:
        """Take the word from the thread for good, and ask it to end; never waits.

        Afterwards it touches neither the judge nor ``on_verdict``, whenever it comes back. False where it is
        just speaking: then nothing has changed.
        """
        if not self._speaking.acquire(blocking=False):
            return False
        self._silenced = True
        self._speaking.release()
        self.stop()
        return True

    def dismiss(self) -> None:
        """Take the word from the thread after the sentence in hand, and ask it to end; never waits."""
        self._silenced = True
        self.stop()

    def join(self, timeout: Seconds | None = None) -> bool:
        """Wait for the end of the thread and say whether it came; blocks, so not for the event loop."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self.alive

    def _run(self) -> None:
        for work in (self._take_all, self._pipeline.close):
            if error := attempt(work):
                logger.error("analysis thread broke down", participant=self._name, exc_info=error)

    def _take_all(self) -> None:
        try:
            while True:
                self._step(self._mailbox.get(IDLE))
        except Closed:
            pass

    def _step(self, frame: VideoFrame | None) -> None:
        self._busy_since = self._clock()
        try:
            self._look_and_judge(frame)
        except Closed:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever one frame does to a native library, the next is judged
            self._fail(error)
        self._busy_since = None

    def _look_and_judge(self, frame: VideoFrame | None) -> None:
        if frame is None:
            self._speak(self._idle)
            return
        seen = self._pipeline.look(frame)
        self._speak(partial(self._pipeline.judge, seen))
        self._units_seen = self._units()
        self.judged += 1
        self._judged_at.append(self._clock())

    def _speak(self, give: Callable[[], Verdict]) -> None:
        """Hand on a verdict; raise Closed where the word was taken from this thread."""
        with self._speaking:
            if self._silenced:
                raise Closed
            self._on_verdict(give())

    def _idle(self) -> Verdict:
        now, units = self._clock(), self._units()
        arrives, self._units_seen = units > self._units_seen, units
        if arrives:
            reason = Reason.ANALYSIS_TROUBLE if self._given_up else Reason.DECODE_TROUBLE
            return self._pipeline.unjudged(reason, now)
        return self._pipeline.tick(now)

    def _fail(self, error: Exception) -> None:
        self.failures += 1
        now = self._clock()
        if now - self._told_at >= TELL_EVERY:
            self._told_at = now
            logger.error(
                "frame could not be analysed",
                participant=self._name,
                failures=self.failures,
                exc_info=error,
            )
        self._speak(lambda: self._pipeline.unjudged(Reason.ANALYSIS_TROUBLE, now))
