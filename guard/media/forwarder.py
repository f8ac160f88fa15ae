"""One publisher's units to its subscribers: bounded queues, nothing decoded, nothing encoded."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from guard.core.units import Clock, Seconds
from guard.media.assembler import AccessUnit, Kind
from guard.media.signalling import OPUS, Format
from guard.media.transport import Peer

LATENCY_SAMPLES = 512


class UnitQueue:
    """Units waiting for one receiver, in order.

    Policy drop-to-next-keyframe: when full, everything up to the next keyframe is dropped, and that one
    replaces what still waits: the receiver is live again. Nothing is kept before the receiver first asks,
    and it begins at a keyframe. ``dropped`` counts by reason (``overflow``, ``no_keyframe``); ``delays`` are
    seconds from arrival to sent.
    """

    def __init__(self, capacity: int, clock: Clock) -> None:
        self.dropped: Counter[str] = Counter()
        self.sent = 0
        self.delays: deque[Seconds] = deque(maxlen=LATENCY_SAMPLES)
        self._capacity = capacity
        self._clock = clock
        self._units: deque[AccessUnit] = deque()
        self._skipping: str | None = "no_keyframe"
        self._ready = asyncio.Event()
        self._begun = False
        self._closed = False
        self._sending: AccessUnit | None = None

    @property
    def needs_keyframe(self) -> bool:
        """Whether the receiver waits for a keyframe."""
        return self._begun and self._skipping is not None

    def put(self, unit: AccessUnit) -> None:
        """Leave a unit; never waits."""
        if self._closed or not self._begun:
            return
        if len(self._units) >= self._capacity:
            self._skipping = "overflow"
        if self._skipping is not None and not unit.keyframe:
            self.dropped[self._skipping] += 1
            return
        if self._skipping == "overflow":
            self.dropped["overflow"] += len(self._units)
            self._units.clear()
        self._skipping = None
        self._units.append(unit)
        self._ready.set()

    async def next(self) -> AccessUnit | None:
        """Wait for the next unit; None once closed. Being asked again means that the last one was sent."""
        self._begun = True
        self._note_sent()
        while not self._units and not self._closed:
            self._ready.clear()
            await self._ready.wait()
        if self._closed:
            return None
        self._sending = self._units.popleft()
        return self._sending

    def close(self) -> None:
        """End the queue; what waits is forgotten."""
        self._closed = True
        self._units.clear()
        self._ready.set()

    def _note_sent(self) -> None:
        if self._sending is not None:
            self.sent += 1
            self.delays.append(self._clock() - self._sending.arrived_at)
            self._sending = None


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """What one subscriber is sent."""

    queues: dict[Kind, UnitQueue]

    def close(self) -> None:
        """End every queue."""
        for queue in self.queues.values():
            queue.close()


class Forwarder(Protocol):
    """How a publisher's media reaches its subscribers; the seam at which raw RTP forwarding takes over."""

    def forward(self, unit: AccessUnit) -> None:
        """Send a unit to every subscriber; never waits."""

    def attach(
        self, peer: Peer, video: Format, *, audio: bool, on_keyframe_wanted: Callable[[], None]
    ) -> Leg:
        """Give a subscriber's peer its tracks, before it answers."""

    def detach(self, leg: Leg) -> None:
        """Send a subscriber nothing more."""

    def needs_keyframe(self) -> bool:
        """Whether a subscriber sees nothing before the next keyframe."""

    def sent(self) -> int:
        """Video units sent, all subscribers together."""

    def dropped(self) -> Counter[str]:
        """Units dropped by reason, all subscribers together."""

    def delays(self) -> list[Seconds]:
        """Seconds from arrival to sent of the last video units, unsorted."""


class UnitForwarder:
    """Forwards whole access units; each subscriber's sender splits them into RTP anew."""

    def __init__(self, queue_units: int, clock: Clock) -> None:
        self._queue_units = queue_units
        self._clock = clock
        self._legs: list[Leg] = []
        self._sent_before = 0
        self._dropped_before: Counter[str] = Counter()

    def forward(self, unit: AccessUnit) -> None:
        """Send a unit to every subscriber; never waits."""
        for leg in self._legs:
            if (queue := leg.queues.get(unit.codec.kind)) is not None:
                queue.put(unit)

    def attach(
        self, peer: Peer, video: Format, *, audio: bool, on_keyframe_wanted: Callable[[], None]
    ) -> Leg:
        """Give a subscriber's peer its tracks, before it answers."""
        leg = Leg({"video": UnitQueue(self._queue_units, self._clock)})
        peer.send(video, leg.queues["video"], on_keyframe_wanted)
        if audio:
            leg.queues["audio"] = UnitQueue(self._queue_units, self._clock)
            peer.send(OPUS, leg.queues["audio"], _nothing)
        self._legs.append(leg)
        return leg

    def detach(self, leg: Leg) -> None:
        """Send a subscriber nothing more; its counts stay in the sums."""
        leg.close()
        if leg in self._legs:
            self._legs.remove(leg)
            self._sent_before += leg.queues["video"].sent
            for queue in leg.queues.values():
                self._dropped_before += queue.dropped

    def needs_keyframe(self) -> bool:
        """Whether a subscriber sees nothing before the next keyframe."""
        return any(leg.queues["video"].needs_keyframe for leg in self._legs)

    def sent(self) -> int:
        """Video units sent, all subscribers together."""
        return self._sent_before + sum(leg.queues["video"].sent for leg in self._legs)

    def dropped(self) -> Counter[str]:
        """Units dropped by reason, all subscribers together."""
        queues = [queue for leg in self._legs for queue in leg.queues.values()]
        return sum((queue.dropped for queue in queues), Counter(self._dropped_before))

    def delays(self) -> list[Seconds]:
        """Seconds from arrival to sent of the last video units, unsorted."""
        return [delay for leg in self._legs for delay in leg.queues["video"].delays]


def _nothing() -> None:
    """Audio has no keyframes."""
