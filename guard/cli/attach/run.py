"""What ``guard attach`` does: one participant of another server, watched by a node without HTTP."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from rich.text import Text

from guard.alerts.mqtt import BackOff
from guard.alerts.record import record_of
from guard.cli.alert_lines import alert_line, clock_time, plain, state_line
from guard.cli.attach.place import open_in_own_place
from guard.cli.clock import wall
from guard.cli.waiting import first
from guard.config import Settings
from guard.core.errors import GuardError
from guard.core.types import State
from guard.core.units import Seconds
from guard.session.events import AlertTold, Event, Joined, Left, Listener, StateChanged, Stopping
from guard.session.node import Node
from guard.session.opening import open_node
from guard.session.visitor import Visitor
from guard.web.views import AlertView, ParticipantView

LAST_WORDS: Seconds = 2.0
"""What is still to be shown at the end is shown within so long, or not at all."""

GOOD_ENDS = ("source_ended", "left", "node_stopped")

News: TypeAlias = tuple[Mapping[str, object], Text]
"""One thing that happened, for programs and for people."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to watch, and as whom."""

    url: str
    token: str
    room: str
    name: str
    retry: bool = False


class Show(Protocol):
    """Takes what is to be seen."""

    async def __call__(self, fields: Mapping[str, object], line: Text) -> None:
        """One thing that happened, for programs and for people."""


class Reporter:
    """Puts into words what a node says of its participants; a state when it changed."""

    def __init__(self) -> None:
        self._told: object = None

    def news(self, event: Event) -> News | None:
        """What is to be told of one thing that happened, if anything is."""
        match event:
            case AlertTold(alert=alert):
                record = record_of(alert)
                fields = {"alert": AlertView.of(record).model_dump(mode="json")}
                return _news(event, fields, alert_line(record, alert.kind))
            case Joined() | StateChanged():
                return self._participant(event)
            case Left(reason=reason):
                self._told = None
                line = Text(f"{clock_time(event.at)}  ended: {reason.replace('_', ' ')}")
                return _news(event, {"participant_id": event.participant_id, "reason": reason}, line)
            case Stopping():
                return None

    def _participant(self, event: Joined | StateChanged) -> News | None:
        status = event.participant
        view = ParticipantView.of(event.room, status)
        state = (view.state, view.reasons)
        if isinstance(event, StateChanged) and self._told == state:
            return None
        self._told = state
        if isinstance(event, Joined):
            line = Text(f"{clock_time(event.at)}  watching {plain(status.name)}")
        else:
            line = state_line(
                at=event.at,
                state=State(view.state),
                who=status.name,
                participant_id=status.id,
                liveness=view.liveness,
                deepfake=view.deepfake,
                coverage=view.coverage,
                reasons=tuple(view.reasons),
            )
        return _news(event, {"participant": view.model_dump(mode="json", exclude={"whep"})}, line)


def _news(event: Event, fields: Mapping[str, object], line: Text) -> News:
    return {"event": event.name, "at": event.at.isoformat(), **fields}, line


async def attach(
    settings: Settings,
    target: Target,
    stop: asyncio.Event,
    show: Show,
    say: Callable[[str], None],
    *,
    open_node: Callable[[Settings], Node] | None = None,
) -> str:
    """Watch the target until it ends or ``stop`` is set; return why it ended.

    With ``retry`` it goes on until ``stop``. Raises a GuardError with the server's words where it refuses,
    and what ``show`` raises, which ends it too.
    """
    node = await asyncio.to_thread(open_in_own_place, settings, open_node or _whole_node)
    reason = "left"

    async def watch() -> None:
        nonlocal reason
        reason = await _watch(node, target, say)

    with node.events.listen(lambda _event: True, "attach") as listener:
        telling = asyncio.create_task(_tell(listener, show), name="attach/tell")
        try:
            await node.start()
            await first(stop.wait(), watch(), asyncio.wait({telling}))
        finally:
            await node.stop()
            await asyncio.wait({telling}, timeout=LAST_WORDS)
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
    if not telling.cancelled():
        telling.result()
    return reason


async def _tell(listener: Listener, show: Show) -> None:
    """Show all there is, until the node stops."""
    reporter = Reporter()
    async for event in listener.events():
        if (news := reporter.news(event)) is not None:
            await show(*news)


async def _watch(node: Node, target: Target, say: Callable[[str], None]) -> str:
    back_off, now = BackOff(random.random), asyncio.get_running_loop().time
    while True:
        began = now()
        try:
            reason = await _attached(node, target)
        except GuardError as error:
            if not target.retry:
                raise
            reason = str(error)
        if not target.retry:
            return reason
        delay = back_off.delay(now() - began)
        say(f"{reason.replace('_', ' ')}; again in {delay:.1f} s")
        await asyncio.sleep(delay)


async def _attached(node: Node, target: Target) -> str:
    """Attach and wait until the session is over; return why."""
    reasons: asyncio.Queue[str] = asyncio.Queue()
    visitor = Visitor(target.name, "attach")
    await node.attach(target.room, visitor, target.url, target.token, on_left=reasons.put_nowait)
    return await reasons.get()


def _whole_node(settings: Settings) -> Node:
    return open_node(settings, time.monotonic, wall)
