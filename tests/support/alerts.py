"""What alert tests share: transitions made by hand, an issuer, a watcher, a mosquitto of their own."""

import asyncio
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Self

import pytest

from guard.alerts.board import Note
from guard.alerts.lifecycle import AlertBook, AlertEvent, AlertKind, Participant
from guard.alerts.message import AlertMessage, EngineDigest, Issuer, parse
from guard.alerts.mqtt import BrokerMessage, watch
from guard.config.settings import AlertSettings, MqttSettings
from guard.core.types import Contribution, Cue, Family, Reason, Transition, TransitionKind

NODE = "node-1"
WHO = Participant("demo-1", "p-7", display_name="Ada", external_id="crm/42")
ISSUER = Issuer(NODE, "0.1.0", 0.85, (EngineDigest(name="face-manipulation", sha256="ab" * 32),))
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
PATIENCE_S = 15.0
"""How long a test waits for a broker before it fails."""


def evidence(log_odds: float = 3.5) -> tuple[Contribution, ...]:
    return (Contribution(Cue.FACE_MANIPULATION, 0.97, 0.9, log_odds, Reason.LEARNED_SCORE),)


def transition(
    kind: TransitionKind,
    at: float,
    *,
    family: Family = Family.MANIPULATION,
    probability: float = 0.93,
    severity: int = 3,
    contributions: tuple[Contribution, ...] | None = None,
) -> Transition:
    return Transition(
        family=family,
        kind=kind,
        at=at,
        probability=probability,
        severity=severity,
        coverage=0.9,
        contributions=evidence() if contributions is None else contributions,
        reasons=(Reason.LEARNED_SCORE,),
        face_id=1,
    )


def raising(at: float, family: Family = Family.MANIPULATION) -> Transition:
    return transition(TransitionKind.RAISE, at, family=family)


def updating(at: float, probability: float = 0.93, severity: int = 3) -> Transition:
    return transition(TransitionKind.UPDATE, at, probability=probability, severity=severity)


def clearing(at: float) -> Transition:
    return transition(TransitionKind.CLEAR, at, probability=0.2)


class BookInTime:
    """A book fed in virtual time."""

    def __init__(self) -> None:
        ids = count(1)
        self.book = AlertBook(AlertSettings(), lambda _: f"alert-{next(ids)}")
        self.events: list[AlertEvent] = []

    def take(self, step: Transition, who: Participant = WHO) -> tuple[AlertEvent, ...]:
        events = self.book.handle(who, step, step.at, START + timedelta(seconds=step.at))
        self.events.extend(events)
        return events

    def leave(self, at: float, who: Participant = WHO) -> tuple[AlertEvent, ...]:
        return self.book.participant_left(who, at, START + timedelta(seconds=at))

    def acknowledge(self, at: float, alert: str = "alert-1", by: str = "Grace") -> AlertEvent:
        return self.book.acknowledge(alert, by, "called back", now=at, wall=START + timedelta(seconds=at))

    def suppress(
        self, at: float, minutes: float = 30, alert: str = "alert-1", reason: str = "known filter"
    ) -> AlertEvent:
        wall = START + timedelta(seconds=at)
        return self.book.suppress(alert, "Grace", reason, minutes, now=at, wall=wall)

    def kinds(self) -> list[AlertKind]:
        return [event.kind for event in self.events]


class WallTime:
    """A wall clock that a test turns."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Watcher:
    """Collects what a subscriber receives."""

    def __init__(self) -> None:
        self.messages: list[BrokerMessage] = []
        self.ready = asyncio.Event()
        self._news = asyncio.Condition()

    async def run(self, settings: MqttSettings, filters: list[str], identifier: str | None) -> None:
        stream = watch(settings, filters, identifier=identifier, on_ready=self.ready.set, jitter=lambda: 0.1)
        async with aclosing(stream) as messages:
            async for message in messages:
                async with self._news:
                    self.messages.append(message)
                    self._news.notify_all()

    async def until(self, wanted: Callable[[], bool], patience: float = PATIENCE_S) -> None:
        async with asyncio.timeout(patience), self._news:
            await self._news.wait_for(wanted)

    def alerts(self) -> list[AlertMessage]:
        """Alert messages in the order of their first arrival, duplicates removed by id."""
        found: dict[str, AlertMessage] = {}
        for message in self.messages:
            if "/alert/" in message.topic:
                alert = parse(message.payload)
                found.setdefault(alert.message_id, alert)
        return list(found.values())

    def at(self, topic: str) -> list[bytes]:
        return [message.payload for message in self.messages if message.topic == topic]


@asynccontextmanager
async def watching(
    settings: MqttSettings, *filters: str, identifier: str | None = None
) -> AsyncIterator[Watcher]:
    """A subscriber, subscribed by the time the block begins."""
    watcher = Watcher()
    task = asyncio.create_task(watcher.run(settings, list(filters) or ["guard/#"], identifier))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await watcher.ready.wait()
        yield watcher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:  # takes also a port that has closed just now
        return int(probe.getsockname()[1])


class BrokerInMemory:
    """Takes whatever a link delivers; stands in for its dialer and for the connections that it makes.

    The first connections fail with ``errors``, one each.
    """

    protocol = "V5"
    session_present = True

    def __init__(self, errors: Iterable[Exception] = ()) -> None:
        self._errors = iter(errors)
        self.taken: list[Note] = []
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Self]:
        if error := next(self._errors, None):
            raise error
        yield self

    async def deliver(self, note: Note) -> None:
        async with self._news:
            self.taken.append(note)
            self._news.notify_all()

    async def until_lost(self) -> None:
        await asyncio.Event().wait()

    async def until_told(self, topic: str) -> None:
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(lambda: any(note.topic == topic for note in self.taken))


class Mosquitto:
    """A broker process of its own on loopback, which can be stopped, killed and started again."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        found = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if found is None:
            pytest.skip("mosquitto is not installed")
        self._binary = found
        self.port = free_port()
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
            f"persistence true\npersistence_location {folder}/\nuser root\n{extra}",
        )
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            self._binary, "-c", str(self._settings), "-v", stderr=asyncio.subprocess.PIPE
        )
        assert self._process.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while b"running" not in (line := await self._process.stderr.readline()):
                assert line, "mosquitto ended at once"
        # from here on somebody has to read what it says, or it would stop on a full pipe
        self._reader = asyncio.create_task(self._process.stderr.read())

    def send(self, how: signal.Signals) -> None:
        """Make it stand still (SIGSTOP) or go on (SIGCONT)."""
        assert self._process is not None
        self._process.send_signal(how)

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            await self._process.wait()
            await self._reader
            self._process = None


@asynccontextmanager
async def mosquitto(folder: Path, extra: str = "") -> AsyncIterator[Mosquitto]:
    broker = Mosquitto(folder, extra)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.end()
