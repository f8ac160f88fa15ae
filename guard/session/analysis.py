"""A participant's analysis thread: takes the newest due frame, never makes the call wait."""

import threading
from collections import deque
from collections.abc import Callable

import structlog

from guard.core.types import Reason, VideoFrame
from guard.core.units import Clock, Seconds
from guard.flow.mailbox import Closed, Mailbox
from guard.session.pipeline import Pipeline, Verdict

logger = structlog.get_logger(__name__)

EARLY = 0.25
"""Share of the interval by which a frame may come early; camera frames do not fall on our grid."""

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
    thread. Nothing that a frame does to the pipeline ends the watch.
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
    ) -> None:
        self._name = name
        self._pipeline = pipeline
        self._interval = 1.0 / fps
        self._clock = clock
        self._units = units
        self._on_verdict = on_verdict
        self._mailbox: Mailbox[VideoFrame] = Mailbox(1)
        self._next_due: Seconds = float("-inf")
        self._units_seen = 0
        self._told_at: Seconds = float("-inf")
        self._judged_at: deque[Seconds] = deque(maxlen=64)
        self._thread = threading.Thread(target=self._run, name=f"analysis-{name}", daemon=True)
        self.failures = 0
        self.judged = 0

    @property
    def dropped(self) -> int:
        """Due frames that were replaced because the thread was busy."""
        return self._mailbox.dropped

    def rate(self, now: Seconds) -> float:
        """Frames judged a second, over the last two seconds."""
        return sum(now - at <= RATE_SPAN for at in tuple(self._judged_at)) / RATE_SPAN

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def offer(self, frame: VideoFrame) -> None:
        """Hand over a frame; never blocks."""
        if frame.arrived_at >= self._next_due - EARLY * self._interval:
            # keep to the grid while frames flow, start a new one after a pause
            paused = frame.arrived_at - self._next_due > self._interval
            self._next_due = (frame.arrived_at if paused else self._next_due) + self._interval
            self._mailbox.put(frame)

    def stop(self) -> None:
        """Ask the thread to end after the frame in hand; see ``join``."""
        self._mailbox.close()

    def join(self, timeout: Seconds | None = None) -> bool:
        """Wait for the end of the thread and say whether it came; blocks, so not for the event loop."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while True:
                self._step(self._mailbox.get(IDLE))
        except Closed:
            pass
        finally:
            self._pipeline.close()

    def _step(self, frame: VideoFrame | None) -> None:
        try:
            self._on_verdict(self._idle() if frame is None else self._pipeline.observe(frame))
            if frame is not None:
                self.judged += 1
                self._judged_at.append(self._clock())
        except Exception as error:  # noqa: BLE001 -- whatever one frame does to a native library, the next is judged
            self._fail(error)

    def _idle(self) -> Verdict:
        now, units = self._clock(), self._units()
        arrives, self._units_seen = units > self._units_seen, units
        if arrives:
            return self._pipeline.unjudged(Reason.DECODE_TROUBLE, now)
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
        self._on_verdict(self._pipeline.unjudged(Reason.ANALYSIS_TROUBLE, now))
