"""Calls of people who mean no harm, and how many of their pictures arrive."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import httpx

from bench.hostility.node import token
from bench.latency import EncodedClip
from bench.relaying.process import HERE
from guard.media.assembler import AccessUnit, Codec
from guard.media.client import WhipPublisher
from guard.media.subscriber import WhepSubscriber
from tests.support.media import encoded_units

NEIGHBOURS = 3
SIZE = {"width": 640, "height": 360}
UNITS = 60
KEYFRAME_EVERY = 30
SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Site:
    """Where to call, and with what."""

    url: str
    key: str

    def publisher(
        self, room: str, units: list[AccessUnit], http: httpx.AsyncBaseTransport | None = None
    ) -> WhipPublisher:
        """A caller who sends these units again and again."""
        source: Any = EncodedClip(units)
        source.codec = units[0].codec
        return WhipPublisher(
            f"{self.url}/whip/{room}",
            token(self.key, room, room),
            source,
            clock=time.monotonic,
            ice=HERE,
            http=http,
        )


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

    publisher: WhipPublisher
    subscriber: WhepSubscriber

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
    publisher = site.publisher(room, clip())
    await publisher.start()
    stack.push_async_callback(publisher.stop)
    assert publisher.watch_url is not None
    subscriber = WhepSubscriber(
        publisher.watch_url, token(site.key, room, room), clock=time.monotonic, ice=HERE
    )
    await subscriber.start()
    stack.push_async_callback(subscriber.stop)
    return Call(publisher, subscriber)


async def kept(calls: list[Call], attack: Callable[[], Any]) -> float:
    """The worst share of its pictures that a call keeps while an attack goes on."""
    before = [one.counts for one in calls]
    await attack()
    after = [one.counts for one in calls]
    shares = [
        (received - earlier_received) / max(1, sent - earlier_sent)
        for (earlier_sent, earlier_received), (sent, received) in zip(before, after, strict=True)
    ]
    return min(shares)


async def flows(one: Call) -> bool:
    """Whether pictures still arrive."""
    before = one.counts[1]
    await asyncio.sleep(1.0)
    return one.counts[1] > before


def of_size(unit: AccessUnit, width: int, height: int) -> AccessUnit:
    """A keyframe that claims another size: VP8's header (RFC 6386 section 9.1), H.264's SPS."""
    if unit.codec is Codec.VP8:
        size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
        return replace(unit, payload=unit.payload[:6] + size + unit.payload[10:])
    parts = unit.payload.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    ours = [_parameters(width, height) if part[:1] and part[0] & 31 == 7 else part for part in parts]  # noqa: PLR2004 -- SPS
    return replace(unit, payload=b"\0\0\0\1".join(ours))


def _parameters(width: int, height: int) -> bytes:
    """A sequence parameter set of the baseline profile (H.264 section 7.3.2.1.1)."""
    numbers = (0, 0, 2, 1)  # id, frame numbers' bits, order by decoding, one reference
    bits = "".join(map(_exp_golomb, numbers)) + "0"
    bits += _exp_golomb(width // 16 - 1) + _exp_golomb(height // 16 - 1) + "110" + "0" + "1"
    bits += "0" * (-len(bits) % 8)
    return b"\x67\x42\xe0\x1f" + int(bits, 2).to_bytes(len(bits) // 8, "big")


def _exp_golomb(value: int) -> str:
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code
