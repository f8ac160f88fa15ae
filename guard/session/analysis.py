"""A participant's analysis thread: takes the newest due frame, never makes the call wait."""

import threading
from collections.abc import Callable

import structlog

from guard.core.errors import GuardError
from guard.core.types import VideoFrame
from guard.core.units import Clock, Seconds
from guard.flow.mailbox import Closed, Mailbox
from guard.session.pipeline import Pipeline, Verdict

logger = structlog.get_logger(__name__)

EARLY = 0.25
"""Share of the interval by which a frame may come early; camera frames do not fall on our grid."""

IDLE_TICK: Seconds = 0.5
"""Without a frame for so long the judge is told that time has passed."""


class Analysis:
    """Runs one pipeline in its own thread at no more than ``fps`` frames a second.

    ``offer`` is called from the decode thread for every frame. Frames between two due times are skipped (that
    is the sampling); a due frame that finds the thread busy replaces the waiting one (drop-oldest, counted).
    ``on_verdict`` is called in the analysis thread.
    """

    def __init__(
        self,
        name: str,
        make_pipeline: Callable[[], Pipeline],
        fps: float,
        clock: Clock,
        on_verdict: Callable[[Verdict], None],
    ) -> None:
        self._make_pipeline = make_pipeline
        self._interval = 1.0 / fps
        self._clock = clock
        self._on_verdict = on_verdict
        self._mailbox: Mailbox[VideoFrame] = Mailbox(1)
        self._next_due: Seconds = float("-inf")
        self._thread = threading.Thread(target=self._run, name=f"analysis-{name}", daemon=True)
        self.failures = 0
        self.judged = 0

    @property
    def dropped(self) -> int:
        """Due frames that were replaced because the thread was busy."""
        return self._mailbox.dropped

    def start(self) -> None:
        """Start the thread; the pipeline is made inside it."""
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
        pipeline = self._make_pipeline()
        try:
            while True:
                self._step(pipeline)
        except Closed:
            pass
        finally:
            pipeline.close()

    def _step(self, pipeline: Pipeline) -> None:
        frame = self._mailbox.get(IDLE_TICK)
        try:
            verdict = pipeline.tick(self._clock()) if frame is None else pipeline.observe(frame)
        except GuardError as error:
            # one bad frame must not end the watch; the count is on the metrics
            self.failures += 1
            logger.warning("frame could not be analysed", error=str(error))
            return
        self.judged += frame is not None
        self._on_verdict(verdict)
