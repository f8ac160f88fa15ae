"""What a tap judges and what a subscriber is shown are the same pictures, whatever the network does."""

import random
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest

from guard.config import MediaSettings
from guard.media.assembler import AccessUnit, Codec, Packet
from guard.media.keyframes import KeyframeRequests
from guard.media.publication import Publication
from guard.media.relays.packets import PacketForwarder
from guard.media.rtp.outbound import Feedback
from guard.media.signalling import Format
from tests.support.media import LOOPBACK, ManualClock

if TYPE_CHECKING:
    from guard.media.transport import Peer

pytestmark = pytest.mark.unit

PICTURES = 900
PER_PICTURE = 4
KEYFRAME_EVERY = 150


class Tap:
    """A decoder that keeps the timestamps of what it is given."""

    def __init__(self) -> None:
        self.judged: set[int] = set()
        self.needs_keyframe = False
        self.breach = None
        self.frames = self.errors = 0
        self.dropped: Counter[str] = Counter()

    def put(self, unit: AccessUnit) -> None:
        self.judged.add(unit.rtp_timestamp)

    async def close(self) -> None:
        """There is nothing to end."""


class Viewer:
    """A subscriber that keeps the numbers of the packets that it is sent."""

    def __init__(self, forwarder: PacketForwarder) -> None:
        self.shown: list[int] = []
        self._feedback: list[Feedback] = []
        forwarder.attach(cast("Peer", self), Format(Codec.VP8), audio=False, on_keyframe_wanted=lambda: None)
        for feedback in self._feedback:
            feedback.connected()

    def send_packets(self, _format: Format, feedback: Feedback, _dropped: Counter[str]) -> Any:
        self._feedback.append(feedback)
        return self

    def write(self, _place: int, _timestamp: int, payload: bytes, _now: float, *, marker: bool) -> bool:  # noqa: ARG002 -- as a track has it
        self.shown.append(int.from_bytes(payload, "big"))
        return True


class Requests(KeyframeRequests):
    """Counts how often a keyframe was wanted."""

    def __init__(self) -> None:
        super().__init__(0.3)
        self.count = 0

    def want(self) -> None:
        super().want()
        self.count += 1


class Call:
    """A publication with a tap and a viewer, driven without peers."""

    def __init__(self) -> None:
        clock = ManualClock()
        self.publication = Publication("p1", MediaSettings(), LOOPBACK, clock, lambda _: None, lambda _: None)
        self.tap, self.requests = Tap(), Requests()
        self.publication._forwarder = forwarder = PacketForwarder(clock)
        self.publication._video_decoder = cast("Any", self.tap)
        self.publication._keyframes = self.requests
        self.viewer = Viewer(forwarder)
        self.unmended: list[int] = []
        """Pictures shown whole and not judged, while nobody asked for a keyframe nor was given one."""
        self._parts: Counter[int] = Counter()
        self._whole: list[int] = []

    def take(self, packet: Packet) -> None:
        before = len(self.viewer.shown)
        self.publication._on_video_packet(packet)
        for number in self.viewer.shown[before:]:
            assert number == packet.number
            self._parts[number // PER_PICTURE] += 1
            if self._parts[number // PER_PICTURE] == PER_PICTURE:
                self._whole.append(number // PER_PICTURE)
        self._judge()

    def _judge(self) -> None:
        """Look at the pictures that are whole at the viewer and that the tap is done with."""
        reached = self.publication._video._next or 0
        done = [picture for picture in self._whole if (picture + 1) * PER_PICTURE <= reached]
        self._whole = [picture for picture in self._whole if picture not in done]
        judged = [timestamp // 3000 for timestamp in self.tap.judged]
        newest = max((one for one in judged if one % KEYFRAME_EVERY == 0), default=-1)
        for picture in done:
            mended = self.requests.wanted or newest > picture
            if picture * 3000 not in self.tap.judged and not mended:
                self.unmended.append(picture)


def packets() -> list[Packet]:
    """Pictures in four packets each, 30 a second; what is sent tells a packet's number."""
    made: list[Packet] = []
    for number in range(PICTURES * PER_PICTURE):
        picture, part = divmod(number, PER_PICTURE)
        key = picture % KEYFRAME_EVERY == 0
        head = b"\x10\0\0\x9d\x01\x2a\xa0\0\x78\0" if key else b"\x11\0\0"
        made.append(
            Packet(
                Codec.VP8,
                number & 0xFFFF,
                picture * 3000,
                marker=part == PER_PICTURE - 1,
                starts=part == 0,
                payload=head if part == 0 else b"rest",
                arrived_at=1.0 + picture / 30 + part / 1000,
                keyframe=key and part == 0,
                rtp_payload=number.to_bytes(4, "big"),
                number=number,
            )
        )
    return made


def delivered(chance: random.Random, *, loss: float, late: float) -> list[Packet]:
    """The packets as a bad network brings them: some never, some up to three seconds late, some twice."""
    arriving: list[Packet] = []
    for packet in packets():
        if chance.random() < loss:
            continue
        delay = chance.choice((0.01, 0.1, 0.6, 0.99, 1.1, 3.0)) if chance.random() < late else 0.0
        arriving.append(packet._replace(arrived_at=packet.arrived_at + delay))
        if chance.random() < 0.01:
            arriving.append(packet._replace(arrived_at=packet.arrived_at + chance.random()))
    return sorted(arriving, key=lambda packet: packet.arrived_at)


@pytest.mark.parametrize(("loss", "late"), [(0.0, 0.0), (0.0, 0.05), (0.003, 0.0), (0.01, 0.02), (0.2, 0.2)])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_picture_shown_whole_is_judged_or_a_keyframe_is_asked_for(
    seed: int, loss: float, late: float
):
    call = Call()
    for packet in delivered(random.Random(seed), loss=loss, late=late):  # noqa: S311 -- no secret
        call.take(packet)
    shown = Counter(call.viewer.shown)
    await call.publication.close()
    assert call.unmended == []
    assert max(shown.values()) == 1
    assert call.tap.judged
    if loss == late == 0.0:
        assert (len(call.tap.judged), call.requests.count) == (PICTURES, 0)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nobody_is_shown_what_came_too_late_to_be_judged(seed: int):
    call = Call()
    late = 0
    for packet in delivered(random.Random(seed), loss=0.01, late=0.05):  # noqa: S311 -- no secret
        refused = not call.publication._video.takes(packet)
        before = len(call.viewer.shown)
        call.take(packet)
        if refused:
            late += 1
            assert len(call.viewer.shown) == before
    dropped = call.publication.stats().dropped
    await call.publication.close()
    assert late > 10
    assert dropped["assemble.late"] == late
