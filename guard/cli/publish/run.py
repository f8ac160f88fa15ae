"""What ``guard publish`` does: pictures of a file or a camera, sent as a caller sends them."""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import partial
from typing import Literal

from guard.cli.clock import wall
from guard.cli.publish.attack import Attack, open_attack
from guard.cli.publish.pictures import Pictures, open_pictures, scaled
from guard.cli.waiting import first
from guard.config import IceSettings
from guard.core.units import Seconds
from guard.media.client import FrameSource, WhipPublisher
from guard.media.encode import VideoEncoder, usual_bitrate
from guard.media.turn import relays_for

TICK: Seconds = 0.1

LAST_PICTURES: Seconds = 0.2
"""At its end a clip's newest pictures are still on their way."""


@unique
class Ended(StrEnum):
    """How a broadcast ended."""

    SOURCE = "source"
    """The clip is over."""
    STOPPED = "stopped"
    """Ctrl-C or SIGTERM."""
    TIME = "time"
    """As long as was asked for."""
    CALL = "call"
    """The node ended the call, or the network did."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be sent, and where."""

    source: str
    url: str
    token: str
    codec: Literal["vp8", "h264"] = "vp8"
    loop: bool = False
    bitrate: int | None = None
    """Bits a second; None: by size and rate."""
    seconds: Seconds | None = None
    """None: to the end of the source."""
    attack: Attack | None = None
    """What is made of the source's person; None: the source is sent as it is."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How a broadcast is going."""

    sent: int
    """Pictures."""
    seconds: Seconds
    fps: float
    """Sent in the last second or so."""
    dropped: int
    keyframes_asked: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went; the line of ``--json``."""

    sent: int
    seconds: Seconds
    dropped: int
    watch_url: str | None
    ended: Ended


async def broadcast(
    order: Order,
    stop: asyncio.Event,
    show: Callable[[Progress], None],
    *,
    greet: Callable[[Pictures, str | None], None],
    ice: IceSettings,
) -> Outcome:
    """Send until the source ends, ``stop`` is set, or the call breaks off; ``greet`` once connected.

    Raises a GuardError where the source cannot be read or the node refuses, and what broke a source off.
    """
    stopping = threading.Event()
    pictures = await _opened(order, stop, stopping)
    if pictures is None:
        return Outcome(sent=0, seconds=0.0, dropped=0, watch_url=None, ended=Ended.STOPPED)
    source = _frame_source(pictures, order)
    servers = relays_for(ice, "publish", wall().timestamp())
    publisher = WhipPublisher(order.url, order.token, source, clock=time.monotonic, ice=ice, servers=servers)
    try:
        await first(stop.wait(), publisher.start())
        began = time.monotonic()
        if not stop.is_set():
            greet(pictures, publisher.watch_url)
        ended = await _until_ended(order, publisher, source, stop, show)
        if ended is Ended.SOURCE:
            await asyncio.sleep(LAST_PICTURES)
    finally:
        stopping.set()
        await publisher.stop()
    return Outcome(publisher.sent, time.monotonic() - began, publisher.dropped, publisher.watch_url, ended)


async def _opened(order: Order, stop: asyncio.Event, stopping: threading.Event) -> Pictures | None:
    """The pictures that are to be sent; None where ``stop`` was set before there were any."""
    found: list[Pictures] = []

    if order.attack is None:
        opening = partial(open_pictures, order.source, stopping, loop=order.loop)
    else:
        opening = partial(open_attack, order.source, order.attack, stopping)

    async def look() -> None:
        found.append(await asyncio.to_thread(opening))

    try:
        await first(stop.wait(), look())
    finally:
        if not found:
            stopping.set()
    return found[0] if found else None


def _frame_source(pictures: Pictures, order: Order) -> FrameSource:
    frames = (scaled(frame, pictures.size) for frame in pictures.frames)
    bitrate = order.bitrate or usual_bitrate(pictures.size, pictures.fps)
    return FrameSource(
        frames, VideoEncoder(order.codec, *pictures.size, pictures.fps, bitrate), time.monotonic
    )


async def _until_ended(
    order: Order,
    publisher: WhipPublisher,
    source: FrameSource,
    stop: asyncio.Event,
    show: Callable[[Progress], None],
) -> Ended:
    ends = {stop: Ended.STOPPED, source.ended: Ended.SOURCE, publisher.gone: Ended.CALL}
    meter, began = Meter(), time.monotonic()
    limit = math.inf if order.seconds is None else order.seconds
    while True:
        seconds = time.monotonic() - began
        if source.failure is not None:
            raise source.failure
        for event, ended in ends.items():
            if event.is_set():
                return ended
        if seconds >= limit:
            return Ended.TIME
        fps = meter.rate(publisher.sent, seconds)
        show(Progress(publisher.sent, seconds, fps, publisher.dropped, source.keyframes_asked))
        await asyncio.sleep(TICK)


class Meter:
    """Pictures a second, over the last second or so."""

    def __init__(self) -> None:
        self._since: tuple[int, Seconds] = (0, 0.0)
        self._rate = 0.0

    def rate(self, sent: int, now: Seconds) -> float:
        """The newest rate, told how many were sent by now."""
        if now - self._since[1] >= 1.0:
            self._rate = (sent - self._since[0]) / (now - self._since[1])
            self._since = (sent, now)
        return self._rate
