"""One participant: its publication, its analysis beside it, and what is said of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from guard.alerts.desk import AlertDesk
from guard.alerts.lifecycle import Participant as Subject
from guard.config import IceSettings, MediaSettings
from guard.core.types import Assessment
from guard.core.units import Clock, ParticipantId, Seconds
from guard.media.publication import Publication, PublicationStats
from guard.session.analysis import Analysis
from guard.session.counting import Counting
from guard.session.pipeline import Pipeline, Verdict
from guard.telemetry.metrics import Metrics
from guard.telemetry.stamps import Stage, StageTimes

logger = structlog.get_logger(__name__)

JOIN_TIMEOUT: Seconds = 5.0
"""An analysis thread ends after the frame in hand; one that does not is told of in the log."""


@dataclass(frozen=True, slots=True)
class ParticipantStatus:
    """What a participant looks like from outside."""

    id: ParticipantId
    name: str
    assessment: Assessment | None
    """None until the first frame was judged."""
    judged_fps: float
    """Over the last two seconds."""
    media: PublicationStats


@dataclass(frozen=True, slots=True)
class Watch:
    """What every participant of a node shares."""

    media: MediaSettings
    ice: IceSettings
    fps: float
    """Frames judged a second."""
    make_pipeline: Callable[[], Pipeline]
    desk: AlertDesk
    metrics: Metrics
    stages: StageTimes
    clock: Clock


class Participant:
    """A publisher under watch. Its methods belong to the event loop."""

    def __init__(self, subject: Subject, watch: Watch, on_closed: Callable[[str], None]) -> None:
        self.subject = subject
        self._watch = watch
        self._on_closed = on_closed
        self._counting = Counting(watch.metrics)
        self._assessment: Assessment | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._analysis = Analysis(
            subject.participant_id,
            watch.make_pipeline(),
            watch.fps,
            clock=watch.clock,
            units=lambda: self.publication.units,
            on_verdict=self._take_verdict,
        )
        self.publication = Publication(
            subject.participant_id,
            watch.media,
            watch.ice,
            watch.clock,
            self._analysis.offer,
            self._media_ended,
        )

    @property
    def id(self) -> ParticipantId:
        """The participant's id."""
        return self.subject.participant_id

    async def answer(self, offer_sdp: str) -> str:
        """Take the publisher's offer and begin to watch; raise SignallingError."""
        answer = await self.publication.answer(offer_sdp)
        self._analysis.start()
        return answer

    async def close(self, reason: str = "left") -> None:
        """End the call and the watch, and wait for both."""
        await self.publication.close(reason)
        if self._leaving is not None:
            await self._leaving

    def status(self) -> ParticipantStatus:
        """What can be said now."""
        return ParticipantStatus(
            self.id,
            self.subject.display_name,
            self._assessment,
            self._analysis.rate(self._watch.clock()),
            self.publication.stats(),
        )

    def count(self) -> None:
        """Bring the node's counters up to date."""
        self._counting.take(self.publication.stats(), self._analysis)

    def _take_verdict(self, verdict: Verdict) -> None:
        watch = self._watch
        events = [event for step in verdict.transitions for event in watch.desk.submit(self.subject, step)]
        watch.desk.set_state(self.subject, verdict.assessment)
        self._assessment = verdict.assessment
        for event in events:
            watch.metrics.alerts.labels(event.family, event.kind).inc()
        if verdict.stamps is not None:
            if events:
                verdict.stamps.mark(Stage.PUBLISHED, watch.clock())
            watch.stages.add(verdict.stamps)
            watch.metrics.observe(verdict.stamps)

    def _media_ended(self, reason: str) -> None:
        self._analysis.stop()
        self._leaving = asyncio.create_task(self._leave(reason), name=f"leave/{self.id}")

    async def _leave(self, reason: str) -> None:
        try:
            if not await asyncio.to_thread(self._analysis.join, JOIN_TIMEOUT):
                logger.error("analysis thread does not end", participant=self.id)
            self.count()
            await asyncio.to_thread(self._watch.desk.participant_left, self.subject, self._watch.clock())
        finally:
            self._on_closed(reason)
