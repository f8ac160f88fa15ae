"""Keeps a participant's analysis going: one that died or hangs is replaced, and given up after too many."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable

import structlog

from guard.config import AnalysisSettings
from guard.core.types import VideoFrame
from guard.core.units import Clock, Seconds
from guard.session.analysis import Analysis
from guard.session.pipeline import Pipeline, Verdict

logger = structlog.get_logger(__name__)

CHECK_INTERVAL: Seconds = 1.0
"""How often ``check`` is called."""

RESTART_WINDOW: Seconds = 60.0
"""The time for ``analysis.restarts``, and for one replacement of what was given up."""

POLL: Seconds = 0.02
"""How often it is looked whether a thread has ended."""


class WatchedAnalysis:
    """An analysis under a watchdog, which is ``check``.

    What ``make_pipeline`` gives works on one judge, so that open alerts and what they wait for outlast a
    restart. The old analysis is silenced before the new one is made: at any time one thread at most touches
    the judge and ``on_verdict``. A thread that hangs for ever stays and keeps what it holds; it is given up
    too where more of these than ``analysis.restarts`` are left. ``on_abandoned`` is told of each thread
    that is left behind. Everything but ``offer`` belongs to the event loop.
    """

    def __init__(
        self,
        name: str,
        settings: AnalysisSettings,
        make_pipeline: Callable[[], Pipeline],
        *,
        clock: Clock,
        units: Callable[[], int],
        on_verdict: Callable[[Verdict], None],
        on_restart: Callable[[], None],
        on_abandoned: Callable[[Analysis], None] = lambda _left_behind: None,
    ) -> None:
        self.given_up: str | None = None
        """Why nothing is analysed any more; None while it is."""
        self.held_up = False
        """Whether the analysis waits for the alert desk, which waits for the disk: no restart mends that."""
        self._name = name
        self._settings = settings
        self._make_pipeline = make_pipeline
        self._clock = clock
        self._units = units
        self._on_verdict = on_verdict
        self._on_restart = on_restart
        self._on_abandoned = on_abandoned
        self._restarts: deque[Seconds] = deque()
        self._replaced_at: Seconds = float("-inf")
        self._left_behind: list[Analysis] = []
        self._before: Counter[str] = Counter()
        self._watching = False
        self._current = self._made()

    @property
    def judged(self) -> int:
        """Frames judged."""
        return self._before["judged"] + self._current.judged

    @property
    def failures(self) -> int:
        """Frames that could not be analysed."""
        return self._before["failures"] + self._current.failures

    @property
    def dropped(self) -> int:
        """Due frames that were replaced because the thread was busy."""
        return self._before["dropped"] + self._current.dropped

    def rate(self) -> float:
        """Frames judged a second, over the last two seconds."""
        return self._current.rate(self._clock())

    def offer(self, frame: VideoFrame) -> None:
        """Hand over a frame; never blocks. For the decode thread."""
        self._current.offer(frame)

    def start(self) -> None:
        """Begin to analyse, and to be checked."""
        self._watching = True
        self._current.start()

    def stop(self) -> None:
        """Ask the thread to end after the frame in hand; see ``end``."""
        self._watching = False
        self._current.stop()

    async def end(self, patience: Seconds) -> bool:
        """Stop, wait for the end of the thread and say whether it came.

        One that has not ended by then has no say any more after the sentence in hand.
        """
        self.stop()
        now = asyncio.get_running_loop().time
        until = now() + patience
        while self._current.alive and now() < until:  # noqa: ASYNC110 -- a thread ends without a word
            await asyncio.sleep(POLL)
        if not self._current.alive:
            return True
        self._current.dismiss()
        self._on_abandoned(self._current)
        return False

    def check(self) -> None:
        """Replace the analysis if it died or hangs."""
        trouble = self._trouble(self._clock()) if self._watching else None
        self.held_up = trouble is not None and not self._current.silence()
        if trouble is not None and not self.held_up:
            self._replace(trouble)

    def _trouble(self, now: Seconds) -> str | None:
        if not self._current.alive:
            spent = self.given_up is not None and now - self._replaced_at < RESTART_WINDOW
            return None if spent else "died"
        return "hangs" if self._current.busy_for(now) >= self._settings.stall_after_s else None

    def _replace(self, trouble: str) -> None:
        old = self._current
        self._left_behind = [one for one in (*self._left_behind, old) if one.alive]
        if self.given_up is None:
            self._restart_or_give_up(trouble)
        self._replaced_at = self._clock()
        self._current = self._made()
        self._before.update(judged=old.judged, failures=old.failures, dropped=old.dropped)
        if old.alive:
            self._on_abandoned(old)
        self._current.start()

    def _restart_or_give_up(self, trouble: str) -> None:
        now, most = self._clock(), self._settings.restarts
        while self._restarts and now - self._restarts[0] > RESTART_WINDOW:
            self._restarts.popleft()
        if len(self._restarts) >= most or len(self._left_behind) > most:
            self.given_up = f"its analysis {trouble} again after {most} restarts; it is not judged any more"
            logger.error("analysis given up", participant=self._name, trouble=trouble, restarts=most)
            return
        self._restarts.append(now)
        self._on_restart()
        logger.warning("analysis restarted", participant=self._name, trouble=trouble)

    def _made(self) -> Analysis:
        return Analysis(
            self._name,
            self._make_pipeline(),
            self._settings.fps,
            clock=self._clock,
            units=self._units,
            on_verdict=self._on_verdict,
            given_up=self.given_up is not None,
        )
