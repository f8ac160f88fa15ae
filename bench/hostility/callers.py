"""Calls of people who mean no harm, and what of their pictures arrives, and when."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import httpx

from bench.hostility.node import token
from bench.latency import EncodedClip
from bench.relaying.process import HERE, Actor
from guard.media.assembler import AccessUnit, Codec, Packet
from guard.media.client import WhipPublisher
from guard.media.subscriber import WhepSubscriber
from tests.support.media import encoded_units

NEIGHBOURS = 3
SIZE = {"width": 640, "height": 360}
UNITS = 60
KEYFRAME_EVERY = 30
SETTLE_S = 2.0
PATIENCE_S = 10.0
LOOK_S = 0.05


class Gap:
    """The longest time between two events since ``begin``."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._longest = 0.0

    def begin(self) -> None:
        """Forget what was."""
        self._longest = 0.0

    def note(self) -> None:
        """One more event."""
        self._longest, self._last = self.longest(), time.monotonic()

    def longest(self) -> float:
        """Seconds, also of a gap that goes on."""
        return max(self._longest, time.monotonic() - self._last)


class TimedClip(EncodedClip):
    """A clip again and again, and how long its sender fell silent."""

    def __init__(self, units: list[AccessUnit]) -> None:
        super().__init__(units)
        self.codec = units[0].codec
        self.gap = Gap()

    def start(self, deliver: Callable[[AccessUnit], None]) -> None:
        """Begin to send."""

        def noted(unit: AccessUnit) -> None:
            self.gap.note()
            deliver(unit)

        super().start(noted)


class Watcher(WhepSubscriber):
    """A subscriber who notes how many packets came, and how long none did."""

    packets = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.gap = Gap()

    def _on_packet(self, packet: Packet) -> None:
        self.packets += 1
        self.gap.note()
        super()._on_packet(packet)


@dataclass(frozen=True, slots=True)
class Site:
    """Where to call, and with what."""

    url: str
    key: str

    def publisher(
        self, room: str, source: TimedClip, http: httpx.AsyncBaseTransport | None = None
    ) -> WhipPublisher:
        """A caller who sends this."""
        url, ours = f"{self.url}/whip/{room}", cast("Any", source)
        return WhipPublisher(
            url, token(self.key, room, room), ours, clock=time.monotonic, ice=HERE, http=http
        )

    def watcher(self, room: str, url: str) -> Watcher:
        """Somebody who watches a publisher of this room."""
        return Watcher(url, token(self.key, room, room), clock=time.monotonic, ice=HERE)


def chance_of(seed: int) -> random.Random:
    """Chance that is the same in every run."""
    return random.Random(seed)  # noqa: S311 -- to be repeated, not to be secret


@cache
def clip(codec: Codec = Codec.VP8) -> list[AccessUnit]:
    """Two seconds with a keyframe each second."""
    return encoded_units(codec, UNITS, keyframe_every=KEYFRAME_EVERY, **SIZE)


@dataclass(frozen=True, slots=True)
class Call:
    """A publisher and who watches it."""

    source: TimedClip
    publisher: WhipPublisher
    subscriber: Watcher

    @property
    def address(self) -> tuple[str, int]:
        """Where the node takes this publisher's packets."""
        address = self.publisher._connection.peer.remote_address  # noqa: SLF001 -- an attacker's guess
        assert address is not None
        return address

    @property
    def counts(self) -> tuple[int, int]:
        """Pictures sent, and pictures that arrived."""
        return self.publisher.sent, self.subscriber.stats().units


async def call(site: Site, room: str, stack: AsyncExitStack) -> Call:
    """Begin a call; it ends with the stack."""
    source = TimedClip(clip())
    publisher = site.publisher(room, source)
    await publisher.start()
    stack.push_async_callback(publisher.stop)
    assert publisher.watch_url is not None
    subscriber = site.watcher(room, publisher.watch_url)
    await subscriber.start()
    stack.push_async_callback(subscriber.stop)
    return Call(source, publisher, subscriber)


async def flows(one: Call) -> bool:
    """Whether pictures still arrive."""
    before = one.counts[1]
    await asyncio.sleep(1.0)
    return one.counts[1] > before


async def seen(subscriber: Watcher) -> None:
    """Wait until somebody sees pictures; TimeoutError after ten seconds."""
    async with asyncio.timeout(PATIENCE_S):
        while not subscriber.stats().units:  # noqa: ASYNC110 -- nothing tells of it
            await asyncio.sleep(LOOK_S)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the worst of some calls kept while something went on."""

    share: float
    """Pictures that arrived, of those sent."""
    gap_ms: float
    """The longest time in which a subscriber got no packet."""
    own_gap_ms: float
    """The longest time in which a publisher sent none: their own process had no core, or was busy."""

    def or_worse(self, other: "Kept | None") -> "Kept":
        """The worse of both in everything."""
        if other is None:
            return self
        gap, own = max(self.gap_ms, other.gap_ms), max(self.own_gap_ms, other.own_gap_ms)
        return Kept(min(self.share, other.share), gap, own)


class Neighbours(Actor):
    """Three calls in a process of their own, so that nothing but the node disturbs them."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stack = AsyncExitStack()
        self._calls: list[Call] = []
        self._before: list[tuple[int, int]] = []

    async def join(self, name: str) -> list[tuple[str, int]]:
        """Call; return where the node takes their packets, once pictures flow."""
        for number in range(NEIGHBOURS):
            self._calls.append(await call(self._site, f"{name}{number}", self._stack))
        await asyncio.sleep(SETTLE_S)
        return [one.address for one in self._calls]

    def begin(self) -> None:
        """Look from now on."""
        self._before = [one.counts for one in self._calls]
        for one in self._calls:
            one.source.gap.begin()
            one.subscriber.gap.begin()

    def kept(self) -> Kept:
        """What the worst of them kept since ``begin``."""
        pairs = zip(self._before, (one.counts for one in self._calls), strict=True)
        shares = [(came - had) / max(1, sent - before) for (before, had), (sent, came) in pairs]
        gaps = [one.subscriber.gap.longest() for one in self._calls]
        own = [one.source.gap.longest() for one in self._calls]
        return Kept(min(shares), 1e3 * max(gaps), 1e3 * max(own))

    async def leave(self) -> None:
        """End the calls."""
        await self._stack.aclose()


class Crowd(Actor):
    """Many who watch one publisher, in a process that can be halted."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._stack = AsyncExitStack()

    async def join(self, room: str, url: str, count: int) -> None:
        """Watch, until each sees pictures."""
        watchers = [self._site.watcher(room, url) for _ in range(count)]
        for watcher in watchers:
            await watcher.start()
            self._stack.push_async_callback(watcher.stop)
        await asyncio.gather(*map(seen, watchers))

    async def leave(self) -> None:
        """End the calls."""
        await self._stack.aclose()
