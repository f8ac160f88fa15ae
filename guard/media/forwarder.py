"""One publisher's media to its subscribers: what all relays share, and the one that sends whole units."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from guard.core.types import VideoFrame
from guard.core.units import Clock, Seconds
from guard.media.assembler import AccessUnit, Kind, Packet
from guard.media.rtp.inbound import SenderReport
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


class Leg(Protocol):
    """What one subscriber is sent."""

    @property
    def needs_keyframe(self) -> bool:
        """Whether the subscriber sees nothing before the next keyframe."""

    @property
    def sent(self) -> int:
        """Pictures sent."""

    @property
    def dropped(self) -> Counter[str]:
        """What was not sent, by reason."""

    def bitrate(self, now: Seconds) -> int | None:
        """What the subscriber says that it can take, bit/s; None where it said nothing lately."""

    def close(self) -> None:
        """Send nothing more."""


LegT = TypeVar("LegT", bound=Leg)


class Forwarder(ABC, Generic[LegT]):
    """How a publisher's media reaches its subscribers.

    It is handed everything in three forms and forwards one of them: packets as they come, access units as
    they are whole, frames as they are decoded. Forwarding never waits.
    """

    def __init__(self) -> None:
        self._legs: list[LegT] = []
        self._sent_before = 0
        self._dropped_before: Counter[str] = Counter()

    def forward_packet(self, packet: Packet) -> bool:  # noqa: ARG002 -- for those that forward packets
        """Take a packet, on the event loop; return whether it may be assembled: no subscriber misses it."""
        return True

    def forward_unit(self, unit: AccessUnit) -> None:
        """Take an access unit, on the event loop."""

    def forward_frame(self, frame: VideoFrame) -> None:
        """Take a decoded picture, in the decoder's thread."""

    def forward_report(self, report: SenderReport) -> None:
        """Take what the publisher says of its clock, on the event loop."""

    def attach(
        self, peer: Peer, video: Format, *, audio: bool, on_keyframe_wanted: Callable[[], None]
    ) -> LegT:
        """Give a subscriber's peer its tracks, before it answers."""
        leg = self._open_leg(peer, video, audio=audio, on_keyframe_wanted=on_keyframe_wanted)
        self._legs.append(leg)
        return leg

    @abstractmethod
    def _open_leg(
        self, peer: Peer, video: Format, *, audio: bool, on_keyframe_wanted: Callable[[], None]
    ) -> LegT:
        """Make the tracks of a subscriber."""

    def detach(self, leg: LegT) -> None:
        """Send a subscriber nothing more; its counts stay in the sums."""
        leg.close()
        if leg in self._legs:
            self._legs.remove(leg)
            self._sent_before += leg.sent
            self._dropped_before += leg.dropped

    def needs_keyframe(self) -> bool:
        """Whether a subscriber sees nothing before the publisher's next keyframe."""
        return any(leg.needs_keyframe for leg in self._legs)

    def sent(self) -> int:
        """Pictures sent, all subscribers together."""
        return self._sent_before + sum(leg.sent for leg in self._legs)

    def dropped(self) -> Counter[str]:
        """What was not sent by reason, all subscribers together."""
        return sum((leg.dropped for leg in self._legs), Counter(self._dropped_before))

    @abstractmethod
    def delays(self) -> list[Seconds]:
        """Seconds from arrival to sent of the last pictures, unsorted."""

    def bitrate(self, now: Seconds) -> int | None:
        """What the slowest subscriber says that it can take, bit/s; None where none said anything lately."""
        return min((rate for leg in self._legs if (rate := leg.bitrate(now)) is not None), default=None)

    async def close(self) -> None:
        """End what runs beside the event loop, and wait for it."""


class UnitLeg:
    """One subscriber's queues of access units."""

    def __init__(self, queues: dict[Kind, UnitQueue]) -> None:
        self.queues = queues

    @property
    def needs_keyframe(self) -> bool:
        """Whether the subscriber sees nothing before the next keyframe."""
        return self.queues["video"].needs_keyframe

    @property
    def sent(self) -> int:
        """Pictures sent."""
        return self.queues["video"].sent

    @property
    def dropped(self) -> Counter[str]:
        """Units not sent, by reason."""
        return sum((queue.dropped for queue in self.queues.values()), Counter[str]())

    def bitrate(self, _now: Seconds) -> None:
        """Nothing: aiortc's sender keeps to itself what it hears of that."""

    def close(self) -> None:
        """End every queue."""
        for queue in self.queues.values():
            queue.close()


class UnitForwarder(Forwarder[UnitLeg]):
    """Forwards whole access units; each subscriber's sender splits them into RTP anew."""

    def __init__(self, queue_units: int, clock: Clock) -> None:
        super().__init__()
        self._queue_units = queue_units
        self._clock = clock

    def forward_unit(self, unit: AccessUnit) -> None:
        """Leave a unit in every subscriber's queue."""
        for leg in self._legs:
            if (queue := leg.queues.get(unit.codec.kind)) is not None:
                queue.put(unit)

    def delays(self) -> list[Seconds]:
        """Seconds from arrival to sent of the last pictures, unsorted."""
        return [delay for leg in self._legs for delay in leg.queues["video"].delays]

    def _open_leg(
        self, peer: Peer, video: Format, *, audio: bool, on_keyframe_wanted: Callable[[], None]
    ) -> UnitLeg:
        leg = UnitLeg({"video": UnitQueue(self._queue_units, self._clock)})
        peer.send(video, leg.queues["video"], on_keyframe_wanted)
        if audio:
            leg.queues["audio"] = UnitQueue(self._queue_units, self._clock)
            peer.send(OPUS, leg.queues["audio"], no_keyframe_wanted)
        return leg


def no_keyframe_wanted() -> None:
    """Audio has no keyframes."""
