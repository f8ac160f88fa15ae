"""One participant: where its video comes from, its analysis beside it, and what is said of it."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeAlias, TypeVar
from weakref import WeakSet

import structlog

from guard.alerts.desk import AlertDesk
from guard.alerts.lifecycle import AlertEvent
from guard.alerts.lifecycle import Participant as Subject
from guard.alerts.message import Issuer, encode, parse
from guard.config import Settings
from guard.core.types import Assessment, State, VideoFrame
from guard.core.units import Clock, ParticipantId, Seconds, WallClock
from guard.decision.judge import ParticipantJudge
from guard.media.publication import Publication, PublicationStats
from guard.session.analysis import Analysis
from guard.session.counting import Counting
from guard.session.events import AlertTold, Event, Events, Joined, Left, StateChanged
from guard.session.leaving import Leaving
from guard.session.pipeline import Pipeline, Verdict
from guard.session.status import ParticipantStatus
from guard.session.visitor import Visitor
from guard.session.watchdog import WatchedAnalysis
from guard.telemetry.metrics import Metrics
from guard.telemetry.stamps import Stage, StageTimes

logger = structlog.get_logger(__name__)

JOIN_TIMEOUT: Seconds = 1.5
"""An analysis thread ends after the frame in hand; one that does not is told of in the log."""

STATE_INTERVAL: Seconds = 0.25
"""Listeners hear of an unchanged state at most this often."""


class Intake(Protocol):
    """Where a participant's video comes from."""

    @property
    def units(self) -> int:
        """Video access units received whole; any thread may ask."""

    def stats(self) -> PublicationStats:
        """What passed so far."""

    async def close(self, reason: str = "left") -> None:
        """End it and wait for all of it; calling it twice is harmless."""


Intake_co = TypeVar("Intake_co", bound=Intake, covariant=True)

OpenIntake: TypeAlias = Callable[[Callable[[VideoFrame], None], Callable[[str], None]], Intake_co]
"""Makes an intake, given who takes frames (in any thread) and who hears why it ended (on the event loop)."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What every participant of a node shares."""

    settings: Settings
    make_pipeline: Callable[[ParticipantJudge], Pipeline]
    desk: AlertDesk
    issuer: Issuer
    events: Events
    metrics: Metrics
    stages: StageTimes
    clock: Clock
    wall: WallClock
    leaving: Leaving
    abandoned: WeakSet[Analysis] = field(default_factory=WeakSet)
    """Analyses that were replaced or left behind; their threads may still run."""


class Participant(Generic[Intake_co]):
    """Somebody whose video is under watch. Its methods belong to the event loop.

    ``start`` the watch once the intake has begun. ``on_closed`` is told once why it ended, after all of it.
    """

    def __init__(  # noqa: PLR0917 -- called once, by the node
        self,
        room_id: str,
        subject: Subject,
        visitor: Visitor,
        watch: Watch,
        open_intake: OpenIntake[Intake_co],
        on_closed: Callable[[str], None],
    ) -> None:
        self.subject = subject
        self.visitor = visitor
        self._room_id = room_id
        self._watch = watch
        self._on_closed = on_closed
        self._joined_at = watch.wall()
        self.joined = False
        """Whether the watch has begun; until then nobody hears of them."""
        self._over = False
        """Whether everything has been said of them: an analysis that comes late tells listeners nothing."""
        self._counting = Counting(watch.metrics)
        self._assessment: Assessment | None = None
        self._first_judged_s: Seconds | None = None
        self._told: tuple[State, Seconds] | None = None
        self._leaving: asyncio.Task[None] | None = None
        judge = ParticipantJudge(watch.settings.decision)
        self.analysis = WatchedAnalysis(
            subject.participant_id,
            watch.settings.analysis,
            lambda: watch.make_pipeline(judge),
            clock=watch.clock,
            units=lambda: self.intake.units,
            on_verdict=self._take_verdict,
            on_restart=watch.metrics.analysis_restarts.inc,
            on_abandoned=watch.abandoned.add,
        )
        self.intake = open_intake(self.analysis.offer, self._intake_ended)

    @property
    def id(self) -> ParticipantId:
        """The participant's id."""
        return self.subject.participant_id

    def start(self) -> None:
        """Begin to watch, and say so."""
        self.joined = True
        self._watch.events.post(Joined(self._watch.wall(), self._room_id, self.status()))
        self.analysis.start()

    async def close(self, reason: str = "left") -> None:
        """End the intake and the watch, and wait for both."""
        self.analysis.stop()
        await self.intake.close(reason)
        if self._leaving is not None:
            await self._leaving

    def status(self) -> ParticipantStatus:
        """What can be said now."""
        return ParticipantStatus(
            id=self.id,
            name=self.subject.display_name,
            owner=self.visitor.owner,
            joined_at=self._joined_at,
            device_label=self.visitor.device_label,
            notice_shown_at=self.visitor.notice_shown_at,
            assessment=self._assessment,
            first_judged_s=self._first_judged_s,
            judged_fps=self.analysis.rate(),
            degraded=self.analysis.given_up is not None,
            media=self.intake.stats(),
            relayed=isinstance(self.intake, Publication),
        )

    def count(self) -> None:
        """Bring the node's counters up to date."""
        self._counting.take(self.intake.stats(), self.analysis)

    def _take_verdict(self, verdict: Verdict) -> None:
        watch = self._watch
        events = [event for step in verdict.transitions for event in watch.desk.submit(self.subject, step)]
        watch.desk.set_state(self.subject, verdict.assessment)
        self._assessment = verdict.assessment
        alerts = list(self._told_alerts(events))
        self._tell(lambda: alerts)
        self._tell_state(verdict.assessment)
        if verdict.stamps is not None:
            if self._first_judged_s is None:
                self._first_judged_s = verdict.stamps.since_arrival(Stage.DECIDED)
            if events:
                verdict.stamps.mark(Stage.PUBLISHED, watch.clock())
            watch.stages.add(verdict.stamps)
            watch.metrics.observe(verdict.stamps)

    def _told_alerts(self, events: Iterable[AlertEvent]) -> Iterator[AlertTold]:
        for event in events:
            logger.info(
                "alert told",
                edge=event.kind,
                alert=event.alert_id,
                family=event.family,
                severity=event.severity,
                participant=self.id,
            )
            self._watch.metrics.alerts.labels(event.family, event.kind).inc()
            message = parse(encode(event, self._watch.issuer))  # what the broker's subscribers read
            yield AlertTold(self._watch.wall(), message)

    def _tell_state(self, assessment: Assessment) -> None:
        state, at = self._told or (None, float("-inf"))
        if assessment.state is not state or assessment.at - at >= STATE_INTERVAL:
            self._told = assessment.state, assessment.at
            # the status is read on the event loop, to which the intake belongs
            self._tell(lambda: [StateChanged(self._watch.wall(), self._room_id, self.status())])

    def _tell(self, make: Callable[[], Sequence[Event]]) -> None:
        """Tell listeners, from any thread, unless everything has been said by then."""
        self._watch.events.post_made(lambda: () if self._over else make())

    def _intake_ended(self, reason: str) -> None:
        self.analysis.stop()
        self._leaving = asyncio.create_task(self._leave(reason), name=f"leave/{self.id}")

    async def _leave(self, reason: str) -> None:
        try:
            if not await self.analysis.end(JOIN_TIMEOUT):
                logger.error("analysis thread does not end", participant=self.id)
            self.count()
            closed = await self._watch.leaving.close_alerts(self.subject)
            for told in self._told_alerts(closed):
                self._watch.events.post(told)
        finally:
            self._over = True
            if self.joined:
                self._watch.events.post(Left(self._watch.wall(), self._room_id, self.id, reason))
            self._on_closed(reason)
