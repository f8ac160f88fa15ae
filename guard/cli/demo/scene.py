"""The demo's set: broker, node, HTTP server, three callers and who watches them."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

from guard.alerts.broker import EmbeddedBroker
from guard.cli.clock import wall
from guard.cli.demo.pictures import (
    FPS,
    Pictures,
    astronaut,
    bona_fide,
    held_photo,
    live_swap,
    talking_person,
)
from guard.cli.demo.record import CallerRecord
from guard.config import AlertSettings, IceSettings, MqttSettings, Settings, WebSettings
from guard.core.errors import SignallingError
from guard.core.types import Family, VideoFrame
from guard.core.units import Seconds
from guard.faces.pictures import as_frame
from guard.media.client import FrameSource, WhipPublisher
from guard.media.encode import VideoEncoder
from guard.media.subscriber import WhepSubscriber
from guard.session.node import Node
from guard.session.opening import open_node
from guard.web.app import create_app
from guard.web.server import HttpServer
from guard.web.tokens import TokenIssuer

ROOM = "demo"
BITRATE = 500_000
ON, OFF = 0.32, 0.58
"""When the swap is switched, as shares of the run."""

DAY: Seconds = 86400.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the visitor asked for."""

    seconds: Seconds
    folder: Path
    bona_fide: Path | None = None
    attack: Path | None = None

    @property
    def outbox(self) -> Path:
        """Where the alerts of this run wait for the broker."""
        return self.folder / "outbox.sqlite3"

    def forget_alerts(self) -> None:
        """Remove the outbox of an earlier run: its broker is gone, and this one would get all of it again."""
        for left in self.folder.glob(f"{self.outbox.name}*"):
            left.unlink()

    def settings(self, broker_url: str) -> Settings:
        """The node's settings: everything on 127.0.0.1, an outbox of its own."""
        return Settings(
            web=WebSettings(port=0),
            ice=IceSettings(host_addresses=("127.0.0.1",), allow_loopback=True),
            mqtt=MqttSettings(url=broker_url, node="demo"),
            alerts=AlertSettings(outbox_path=self.outbox),
        )


class Stopwatch:
    """Time since the callers were all there; both callers and record go by it."""

    def __init__(self) -> None:
        self._began: Seconds | None = None

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()

    @property
    def seconds(self) -> Seconds:
        """Since ``start``; 0 before it."""
        return 0.0 if self._began is None else time.monotonic() - self._began


@dataclass(frozen=True, slots=True)
class Part:
    """One caller's part in the play."""

    record: CallerRecord
    pictures: Pictures
    codec: Literal["vp8", "h264"]
    audio: bool = False


def write_parts(options: Options, watch: Stopwatch) -> list[Part]:
    """The three callers; reads clips and finds faces in them, so it blocks for a few seconds."""
    faces = Settings().faces
    person = options.bona_fide or talking_person()
    bona_fide_name = "talking person" if options.bona_fide is None else options.bona_fide.name
    presentation = frozenset({Family.PRESENTATION})
    return [
        Part(CallerRecord("", bona_fide_name, "bona_fide"), bona_fide(person, seed=1), "vp8", audio=True),
        Part(
            CallerRecord("", "photo in the hand", "attack", presentation),
            held_photo(astronaut(), faces, seed=2),
            "h264",
        ),
        _visitors_attack(options.attack) if options.attack else _switched_swap(options, watch),
    ]


def _switched_swap(options: Options, watch: Stopwatch) -> Part:
    span = (ON * options.seconds, OFF * options.seconds)
    record = CallerRecord("", "live face swap", "attack", frozenset({Family.MANIPULATION}), span)
    # with --keep the play goes on, and so does the swap, once a run
    pictures = live_swap(
        talking_person(),
        astronaut(),
        Settings().faces,
        seed=3,
        swapped=lambda: span[0] <= watch.seconds % options.seconds < span[1],
    )
    return Part(record, pictures, "vp8")


def _visitors_attack(path: Path) -> Part:
    families = frozenset({Family.MANIPULATION, Family.PRESENTATION, Family.INJECTION})
    return Part(CallerRecord("", path.name, "attack", families), bona_fide(path, seed=4), "vp8")


def in_time(pictures: Pictures) -> Iterator[VideoFrame]:
    """The pictures as frames of a camera."""
    for number in count():
        yield as_frame(next(pictures), number / FPS)


@dataclass(frozen=True, slots=True)
class Member:
    """A caller who has joined, and who watches them."""

    record: CallerRecord
    source: FrameSource
    subscriber: WhepSubscriber


@dataclass(frozen=True, slots=True)
class Scene:
    """The set while the play is on."""

    node: Node
    http_url: str
    mqtt: MqttSettings
    cast: list[Member]
    admin_token: str

    @property
    def callers(self) -> list[CallerRecord]:
        """The callers' records."""
        return [member.record for member in self.cast]

    def watch_callers(self) -> None:
        """Note what of each caller's video arrived, and whether it broke off."""
        for member in self.cast:
            member.record.received_frames = member.subscriber.stats().units
            if member.source.failure is not None:
                failure = member.source.failure
                member.record.broke_off = str(failure) or type(failure).__name__


@asynccontextmanager
async def stage(options: Options, watch: Stopwatch, say: Callable[[str], None]) -> AsyncIterator[Scene]:
    """Set everything up and, at the end, take it down in the opposite order."""
    async with AsyncExitStack() as stack:
        say("preparing the callers: reading clips, finding faces")
        await asyncio.to_thread(options.forget_alerts)
        parts = await asyncio.to_thread(write_parts, options, watch)
        broker = await stack.enter_async_context(EmbeddedBroker())
        settings = options.settings(broker.url)
        say("loading the engines")
        node = await asyncio.to_thread(open_node, settings, time.monotonic, wall)
        await node.start()
        stack.push_async_callback(node.stop)
        tokens = TokenIssuer(secrets.token_urlsafe(48), settings.web.token_audience)
        server = await stack.enter_async_context(
            HttpServer(create_app(node, tokens, settings, wall), settings.web)
        )
        say(f"node at {server.url}, MQTT broker at {broker.url}")
        cast = [await _join(part, server.url, tokens, settings.ice, stack) for part in parts]
        now = wall().timestamp()
        admin = tokens.issue("visitor", ROOM, now=now, lifetime=DAY, subscribe=True, admin=True)
        yield Scene(node, server.url, settings.mqtt, cast, admin)


async def _join(part: Part, url: str, tokens: TokenIssuer, ice: IceSettings, stack: AsyncExitStack) -> Member:
    token = tokens.issue(part.record.title, ROOM, now=wall().timestamp(), publish=True, subscribe=True)
    frames = in_time(part.pictures)
    first = next(frames)
    encoder = VideoEncoder(part.codec, first.width, first.height, FPS, BITRATE)
    source = FrameSource(frames, encoder, time.monotonic)
    publisher = WhipPublisher(
        f"{url}/whip/{ROOM}", token, source, clock=time.monotonic, ice=ice, silence=part.audio
    )
    await publisher.start()
    stack.push_async_callback(publisher.stop)
    if publisher.watch_url is None:
        msg = f"{url}: expected a Link with rel=related in the answer, got none"
        raise SignallingError(msg)
    part.record.id = publisher.watch_url.rpartition("/")[2]
    subscriber = WhepSubscriber(publisher.watch_url, token, clock=time.monotonic, ice=ice, audio=part.audio)
    await subscriber.start()
    stack.push_async_callback(subscriber.stop)
    return Member(part.record, source, subscriber)
