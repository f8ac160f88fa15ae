"""A node that runs, with its callers on loopback: real media, scripted faces, no HTTP."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np

from guard.config import Settings
from guard.core.types import VideoFrame
from guard.core.units import WallClock
from guard.media.client import FrameSource, WhipPublisher
from guard.media.encode import VideoEncoder
from guard.media.subscriber import WhepSubscriber
from guard.session.node import Node
from guard.session.participant import Watch
from guard.session.pipeline import FaceSource
from guard.session.status import ParticipantStatus
from guard.session.visitor import Visitor
from tests.support.media import LOOPBACK, eventually
from tests.support.node import NodeEndpoint, shared_watch, wall
from tests.support.scripted import ScriptedDetector, ScriptedFaces

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ADA = Visitor("ada", "ada")


def moving_pattern() -> Iterator[VideoFrame]:
    """20 frames a second, 96 x 64, for ever."""
    number = 0
    while True:
        y = np.tile(((np.arange(96) * 2 + number * 3) % 200 + 20).astype(np.uint8), (64, 1))
        half = np.full((32, 48), 128, np.uint8)
        at = number / 20
        yield VideoFrame(y, half, half, at, at, at)
        number += 1


class House:
    """A node, what it shares, and its callers."""

    def __init__(self, watch: Watch) -> None:
        self.node = Node(watch, ())
        self.watch = watch

    def publisher(self, visitor: Visitor = ADA, frames: Iterator[VideoFrame] | None = None) -> WhipPublisher:
        encoder = VideoEncoder("vp8", 96, 64, 20, 200_000)
        source = FrameSource(frames or moving_pattern(), encoder, time.monotonic)
        http = NodeEndpoint(self.node, visitor)
        return WhipPublisher(
            "http://guard/whip/demo", "t", source, clock=time.monotonic, ice=LOOPBACK, http=http
        )

    def subscriber(self, url: str | None, visitor: Visitor = ADA) -> WhepSubscriber:
        assert url is not None
        http = NodeEndpoint(self.node, visitor)
        return WhepSubscriber(url, "t", clock=time.monotonic, ice=LOOPBACK, http=http)

    def people(self) -> list[ParticipantStatus]:
        """Everybody in any room."""
        return [status for room in self.node.rooms() for status in room.participants]

    async def judged(self) -> None:
        """Wait until something was said of somebody."""
        await eventually(lambda: any(status.assessment for status in self.people()))

    async def empty(self) -> None:
        """Wait until nothing is left of any call."""
        await eventually(lambda: not self.people() and not self.node._rooms.sessions())


@asynccontextmanager
async def house(
    settings: Settings,
    faces: Callable[[], FaceSource] = ScriptedFaces,
    value: float = 0.05,
    wall: WallClock = wall,
) -> "AsyncIterator[House]":
    """A node that has started, whose detector says ``value`` of every face."""
    watch = await asyncio.to_thread(shared_watch, settings, faces, lambda: (ScriptedDetector(value),), wall)
    there = House(watch)
    await there.node.start()
    try:
        yield there
    finally:
        await there.node.stop()
