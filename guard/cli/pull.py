"""What ``guard attach`` does: one participant of another server, watched by a node without HTTP."""

import asyncio
import fcntl
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from rich.text import Text

from guard.alerts.record import record_of
from guard.cli.lines import alert_line, clock_time, plain, state_line
from guard.cli.waiting import unless
from guard.config import Settings
from guard.core.errors import CapacityError, EnvironmentProblem, GuardError
from guard.core.types import State
from guard.core.units import Seconds
from guard.session.events import Event, EventKind, Listener
from guard.session.node import Node
from guard.session.opening import open_node
from guard.session.participant import ParticipantStatus
from guard.session.visitor import Visitor
from guard.web.views import AlertView, ParticipantView

MOST_PLACES = 32
"""Attached commands on one machine with the same configuration."""

LONGEST_NODE = 50
"""Characters of the node's name that go before ``-attach-1``: names in topics have at most 64."""

FIRST_DELAY: Seconds = 0.5
LONGEST_DELAY: Seconds = 30.0
STEADY_AFTER: Seconds = 10.0
"""A call that held for so long starts the back-off anew."""

GOOD_ENDS = ("source_ended", "left", "node_stopped")


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

    def __call__(self, fields: dict[str, object], line: Text) -> None:
        """One thing that happened, for programs and for people."""


@contextmanager
def own_place(settings: Settings) -> Iterator[Settings]:
    """The settings with a node name and an outbox that nobody else on this machine uses at the same time.

    A node throws another of its name off the broker, and sends the other's alerts. So each command takes the
    first place that is free, ``NODE-attach-1`` and so on, and with it what waits in that place's outbox.
    """
    kept, node = settings.alerts.outbox_path, settings.mqtt.node[:LONGEST_NODE]
    for number in range(1, MOST_PLACES + 1):
        outbox = kept.with_name(f"{kept.stem}-attach-{number}{kept.suffix}")
        try:
            lock = outbox.with_name(f"{outbox.name}.place").open("a")
        except OSError as error:
            msg = f"alerts.outbox_path: expected a folder to write to, got {kept.parent} ({error.strerror})"
            raise EnvironmentProblem(msg) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            alerts = settings.alerts.model_copy(update={"outbox_path": outbox})
            mqtt = settings.mqtt.model_copy(update={"node": f"{node}-attach-{number}"})
            yield settings.model_copy(update={"alerts": alerts, "mqtt": mqtt})
            return
    msg = f"attach: expected fewer than {MOST_PLACES} beside {str(kept)!r}, there are as many; end one"
    raise CapacityError(msg)


class Reporter:
    """Tells what a node says of its participants; a state when it changed."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._told: object = None
        self._gone = asyncio.Event()
        self._reason = ""

    async def run(self, listener: Listener) -> None:
        """Tell all there is, until the node stops."""
        async for event in listener.events():
            self.tell(event)

    async def left(self) -> str:
        """Wait until the participant is gone, of whom there is one at a time; return why."""
        await self._gone.wait()
        self._gone.clear()
        return self._reason

    def tell(self, event: Event) -> None:
        """Tell one thing that happened."""
        if event.alert is not None:
            record = record_of(event.alert)
            fields: dict[str, object] = {"alert": AlertView.of(record).model_dump(mode="json")}
            self._say(event, fields, alert_line(record, event.alert.kind))
        elif event.participant is not None:
            self._tell_participant(event, event.participant)
        elif event.kind is EventKind.LEFT and event.participant_id is not None:
            self._told, self._reason = None, event.reason or "left"
            words = f"{clock_time(event.at)}  ended: {self._reason.replace('_', ' ')}"
            fields = {"participant_id": event.participant_id, "reason": self._reason}
            self._say(event, fields, Text(words))
            self._gone.set()

    def _tell_participant(self, event: Event, status: ParticipantStatus) -> None:
        view = ParticipantView.of(event.room or "", status)
        news = (view.state, view.reasons)
        if event.kind is EventKind.STATE and self._told == news:
            return
        self._told = news
        fields: dict[str, object] = {"participant": view.model_dump(mode="json", exclude={"whep"})}
        if event.kind is EventKind.JOINED:
            line = Text(f"{clock_time(event.at)}  watching {plain(status.name)}")
        else:
            line = state_line(
                at=event.at,
                state=State(view.state),
                who=status.name,
                participant_id=status.id,
                liveness=view.liveness or 0.0,
                deepfake=view.deepfake or 0.0,
                coverage=view.coverage,
                reasons=tuple(view.reasons),
            )
        self._say(event, fields, line)

    def _say(self, event: Event, fields: dict[str, object], line: Text) -> None:
        self._show({"event": event.kind.value, "at": event.at.isoformat()} | fields, line)


async def pull(
    settings: Settings,
    target: Target,
    stop: asyncio.Event,
    show: Show,
    say: Callable[[str], None],
    *,
    make_node: Callable[[Settings], Node] | None = None,
) -> str:
    """Watch the target until it ends or ``stop`` is set; return why it ended.

    With ``retry`` it goes on until ``stop``. Raises a GuardError with the server's words where it refuses.
    """
    node = await asyncio.to_thread(make_node or _whole_node, settings)
    reporter, reason = Reporter(show), "left"

    async def watch() -> None:
        nonlocal reason
        reason = await _watch(node, reporter, target, say)

    with node.events.listen(lambda _event: True) as listener:
        telling = asyncio.create_task(reporter.run(listener))
        try:
            await node.start()
            await unless(stop, watch())
        finally:
            await node.stop()
            await telling
    return reason


async def _watch(node: Node, reporter: Reporter, target: Target, say: Callable[[str], None]) -> str:
    failures, now = 0, asyncio.get_running_loop().time
    while True:
        began = now()
        try:
            await node.attach(target.room, Visitor(target.name, "attach"), target.url, target.token)
            reason = await reporter.left()
        except GuardError as error:
            if not target.retry:
                raise
            reason = str(error)
        if not target.retry:
            return reason
        failures = 0 if now() - began >= STEADY_AFTER else failures + 1
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures, 16)) * random.uniform(0.5, 1.0)  # noqa: S311 -- spreads attempts
        say(f"{reason.replace('_', ' ')}; again in {delay:.1f} s")
        await asyncio.sleep(delay)


def line_for_programs(fields: dict[str, object]) -> str:
    """One compact line of JSON, in ASCII."""
    return json.dumps(fields, separators=(",", ":"))


def _whole_node(settings: Settings) -> Node:
    return open_node(settings, time.monotonic, _wall)


def _wall() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 -- the edge where the date is read
