"""The two ends of every call: publishers of the encoded clip, subscribers that note when pictures came."""

import asyncio
import random
import time
from itertools import chain
from typing import NamedTuple

from bench.relaying.clip import FPS
from bench.relaying.process import HERE, Actor
from guard.media.assembler import AccessUnit, Codec, Packet
from guard.media.client import FORMATS
from guard.media.signalling import read_offer
from guard.media.transport import Peer

VP8 = FORMATS[Codec.VP8]
CONNECT_S = 20.0
TICKS = 8
"""Timestamps are multiples of this, since aiortc's relay makes some of them one less."""

LAGS = 32
"""Each timestamp is later by 0..31 of these by chance, 2.8 ms: so their steps tell which picture is which."""


class Mark(NamedTuple):
    """A picture at one end of a call."""

    timestamp: int
    """RTP timestamp as this end has it, 0..2**32-1; relays may shift all by one amount."""
    at: float
    """Seconds on the monotonic clock."""


class Sent(NamedTuple):
    """A picture that was handed to the sender."""

    mark: Mark
    late_s: float
    """Behind its time: the publisher's process or its core was busy."""


class Joined:
    """A peer, and that it is connected."""

    def __init__(self, *, offers: bool) -> None:
        self._connected = asyncio.Event()
        self.peer = Peer(HERE, time.monotonic, self._state_changed, offers=offers)

    async def connected(self) -> None:
        """Wait until media can flow; TimeoutError after 20 s."""
        await asyncio.wait_for(self._connected.wait(), CONNECT_S)

    def _state_changed(self, state: str) -> None:
        if state == "connected":
            self._connected.set()


class LoopedClip:
    """A clip in real time, again and again; whoever wants a keyframe gets its beginning."""

    def __init__(self, units: list[bytes], phase: float, seed: int) -> None:
        self.sent: list[Sent] = []
        self.restarts = 0
        self._units = units
        self._phase = phase
        self._chance = random.Random(seed)  # noqa: S311 -- no secret, and the same in every run
        self._playing = asyncio.Event()
        self._began = 0.0
        self._number = 0
        self._place = 0

    def play(self) -> None:
        """Begin at the clip's beginning, a part of a frame interval from now."""
        self.sent, self.restarts = [], 0
        self._number = self._place = 0
        self._began = time.monotonic() + self._phase / FPS
        self._playing.set()

    def pause(self) -> None:
        """Send nothing more for now."""
        self._playing.clear()

    def restart(self) -> None:
        """A keyframe is wanted: go on with the only one."""
        self._place = 0
        self.restarts += 1

    async def next(self) -> AccessUnit:
        """Wait for the time of the next unit."""
        due = await self._due()
        ticks = TICKS * (round(due * Codec.VP8.clock_rate / TICKS) + self._chance.randrange(LAGS))
        payload, keyframe = self._units[self._place], self._place == 0
        self._place = (self._place + 1) % len(self._units)
        self._number += 1
        now = time.monotonic()
        self.sent.append(Sent(Mark(ticks & 0xFFFFFFFF, now), now - due))
        return AccessUnit(
            Codec.VP8, payload, ticks & 0xFFFFFFFF, ticks / Codec.VP8.clock_rate, keyframe, arrived_at=now
        )

    async def _due(self) -> float:
        while True:
            await self._playing.wait()
            due = self._began + self._number / FPS
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if self._playing.is_set() and due == self._began + self._number / FPS:
                return due


class Publishers(Actor):
    """One publisher a room; their pictures are spread evenly over the frame interval."""

    def __init__(self, units: list[bytes], rooms: int) -> None:
        self._clips = [LoopedClip(units, room / rooms, room) for room in range(rooms)]
        self._calls: dict[int, Joined] = {}

    async def offer(self, room: int) -> str:
        """The offer of a room's publisher."""
        self._calls[room] = Joined(offers=True)
        peer, clip = self._calls[room].peer, self._clips[room]
        peer.send(VP8, clip, clip.restart)
        return await peer.offer()

    async def accept(self, room: int, answer: str) -> None:
        """Take the answer, wait until connected."""
        await self._calls[room].peer.accept(answer)
        await self._calls[room].connected()

    def play(self) -> None:
        """Begin to send."""
        for clip in self._clips:
            clip.play()

    def pause(self) -> tuple[list[list[Sent]], int]:
        """Send no more; what was sent since play() by room, and how often a keyframe was wanted."""
        for clip in self._clips:
            clip.pause()
        return [clip.sent for clip in self._clips], sum(clip.restarts for clip in self._clips)


class Watcher(Joined):
    """One subscriber: decodes nothing, notes the last packet of each picture."""

    def __init__(self, room: int, *, offers: bool) -> None:
        super().__init__(offers=offers)
        self.room = room
        self.packets: list[float] = []
        """When each came."""
        self.marks: list[Mark] = []
        self.track = self.peer.receive("video", (VP8,), self._take)

    def _take(self, packet: Packet) -> None:
        self.packets.append(packet.arrived_at)
        if packet.marker:
            self.marks.append(Mark(packet.timestamp, packet.arrived_at))


class Subscribers(Actor):
    """All subscribers of a case."""

    def __init__(self) -> None:
        self._watchers: list[Watcher] = []

    async def offer(self, room: int) -> str:
        """The offer of one more subscriber of a room."""
        self._watchers.append(Watcher(room, offers=True))
        return await self._watchers[-1].peer.offer()

    async def accept(self, answer: str) -> None:
        """Take the answer to the last offer, wait until connected."""
        await self._watchers[-1].peer.accept(answer)
        await self._watchers[-1].connected()

    async def answer(self, room: int, offer: str) -> str:
        """Answer a publisher directly, as the only subscriber of a room."""
        self._watchers.append(Watcher(room, offers=False))
        return await self._watchers[-1].peer.answer(read_offer(offer, "publish"))

    def begin(self) -> None:
        """Forget what came so far."""
        for watcher in self._watchers:
            watcher.marks, watcher.packets = [], []

    def took(self) -> tuple[list[tuple[int, list[Mark]]], list[float]]:
        """Room and pictures of each subscriber since begin(), and when all the packets came."""
        marks = [(watcher.room, watcher.marks) for watcher in self._watchers]
        return marks, sorted(chain.from_iterable(watcher.packets for watcher in self._watchers))
