from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from guard.media.assembler import REPAIR_PACKETS, Codec, Packet
from guard.media.relays.packets import (
    BITRATE_LIFE,
    MAX_PAYLOAD,
    REPORT_INTERVAL,
    SENT_PER_SECOND,
    PacketForwarder,
    PacketLeg,
)
from guard.media.rtp.inbound import SenderReport
from guard.media.rtp.outbound import RESENDS_AT_ONCE, Feedback
from guard.media.signalling import Format
from tests.support.media import ManualClock

if TYPE_CHECKING:
    from guard.media.transport import Peer

pytestmark = pytest.mark.unit


@dataclass
class Written:
    """A packet that went out."""

    sequence_number: int
    timestamp: int
    payload: bytes
    marker: bool
    again: bool = False


@dataclass
class Track:
    """Keeps what it is given to send."""

    feedback: Feedback
    written: list[Written] = field(default_factory=list)
    reports: list[tuple[int, int]] = field(default_factory=list)

    def write(self, place: int, timestamp: int, payload: bytes, _now: float, *, marker: bool) -> bool:
        self.written.append(Written(place, timestamp, payload, marker))
        return True

    def write_again(self, place: int, timestamp: int, payload: bytes, *, marker: bool, **_: float) -> bool:
        self.written.append(Written(place, timestamp, payload, marker, again=True))
        return True

    def report(self, ntp_timestamp: int, timestamp: int) -> None:
        self.reports.append((ntp_timestamp, timestamp))


class Subscriber:
    """A peer whose tracks keep what they would send."""

    def __init__(self, forwarder: PacketForwarder, *, audio: bool = False, connected: bool = True) -> None:
        self.tracks: dict[str, Track] = {}
        self.keyframes_wanted = 0
        self.leg: PacketLeg = forwarder.attach(
            cast("Peer", self), Format(Codec.VP8), audio=audio, on_keyframe_wanted=self._want
        )
        if connected:
            self.connect()

    def connect(self) -> None:
        for track in self.tracks.values():
            track.feedback.connected()

    def send_packets(self, format_: Format, feedback: Feedback, _dropped: Counter[str]) -> Any:
        self.tracks[format_.codec.kind] = track = Track(feedback)
        return track

    @property
    def video(self) -> Track:
        return self.tracks["video"]

    def _want(self) -> None:
        self.keyframes_wanted += 1


def packet(number: int, *, keyframe: bool = False, codec: Codec = Codec.VP8, **changes: Any) -> Packet:
    made = Packet(
        codec,
        sequence_number=number & 0xFFFF,
        timestamp=number * 3000 & 0xFFFFFFFF,
        marker=True,
        starts=True,
        payload=b"",
        arrived_at=number / 30,
        keyframe=keyframe,
        rtp_payload=b"%d" % number,
        number=number,
    )
    return made._replace(**changes)


def feed(forwarder: PacketForwarder, *packets: Packet) -> None:
    for one in packets:
        forwarder.forward_packet(one)


def numbers(track: Track) -> list[int]:
    """Sequence numbers sent, counted from the first."""
    first = track.written[0].sequence_number
    return [(one.sequence_number - first) & 0xFFFF for one in track.written]


def test_a_subscriber_begins_at_a_keyframe_and_asks_for_one():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder, connected=False)
    feed(forwarder, packet(1, keyframe=True))
    assert not forwarder.needs_keyframe()
    subscriber.connect()
    assert subscriber.keyframes_wanted == 1
    assert forwarder.needs_keyframe()
    feed(forwarder, packet(2), packet(3, keyframe=True), packet(4))
    assert not forwarder.needs_keyframe()
    assert [one.payload for one in subscriber.video.written] == [b"3", b"4"]
    assert forwarder.dropped() == {"no_keyframe": 1}
    assert forwarder.sent() == 2


def test_gaps_stay_gaps_over_the_wrap_and_late_packets_find_their_place():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder)
    feed(forwarder, packet(65534, keyframe=True), packet(65537), packet(65540), packet(65535))
    assert numbers(subscriber.video) == [0, 3, 6, 1]
    assert subscriber.video.written[0].sequence_number < 1 << 15


def test_what_came_before_the_first_keyframe_comes_too_late():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder)
    feed(forwarder, packet(10, keyframe=True), packet(9), packet(11))
    assert numbers(subscriber.video) == [0, 1]


def test_a_new_source_goes_on_in_numbers_and_time():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder)
    feed(forwarder, packet(10, keyframe=True), packet(11))
    before = subscriber.video.written[-1]
    feed(forwarder, packet(40_000, keyframe=True, restarts=True, timestamp=7, arrived_at=11 / 30 + 1.0))
    after = subscriber.video.written[-1]
    assert after.sequence_number == before.sequence_number + 1
    assert after.timestamp == before.timestamp + 90_000


def test_a_new_source_is_waited_for_until_its_keyframe():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder)
    feed(forwarder, packet(10, keyframe=True), packet(40_000, restarts=True), packet(40_001))
    assert forwarder.needs_keyframe()
    assert len(subscriber.video.written) == 1
    feed(forwarder, packet(40_002, keyframe=True), packet(40_003))
    assert [one.payload for one in subscriber.video.written] == [b"10", b"40002", b"40003"]
    assert numbers(subscriber.video) == [0, 1, 2]


def test_a_late_packet_does_not_turn_time_back():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder)
    feed(forwarder, packet(10, keyframe=True), packet(12), packet(11, arrived_at=12 / 30))
    feed(forwarder, packet(500, keyframe=True, restarts=True, timestamp=3, arrived_at=13 / 30))
    assert subscriber.video.written[-1].timestamp > 12 * 3000


def test_what_srtp_cannot_carry_goes_to_nobody_and_is_not_judged():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder)
    assert forwarder.forward_packet(packet(1, keyframe=True))
    assert not forwarder.forward_packet(packet(2, rtp_payload=bytes(MAX_PAYLOAD + 1)))
    assert not forwarder.forward_packet(packet(1, rtp_payload=b"another"))
    assert len(subscriber.video.written) == 1
    assert forwarder.dropped() == {"oversize": 1, "again": 1}


def test_one_publisher_is_sent_on_so_often_a_second_whoever_watches():
    forwarder = PacketForwarder(ManualClock())
    for _ in range(100):
        Subscriber(forwarder)
    taken = sum(
        forwarder.forward_packet(packet(number, keyframe=True, arrived_at=1.0)) for number in range(300)
    )
    assert taken == SENT_PER_SECOND / 2 / 100
    assert forwarder.dropped()["fan_out"] == 300 - taken


def test_what_could_not_be_sent_is_not_counted_as_sent():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder)
    subscriber.video.write = lambda *_, **__: False  # type: ignore[method-assign]  # a link that is full
    feed(forwarder, packet(1, keyframe=True), packet(2))
    assert forwarder.sent() == 0


def test_each_subscriber_has_numbers_of_its_own():
    forwarder = PacketForwarder(ManualClock())
    early = Subscriber(forwarder)
    feed(forwarder, packet(1, keyframe=True), packet(2))
    late = Subscriber(forwarder)
    feed(forwarder, packet(3), packet(4, keyframe=True))
    assert [one.payload for one in early.video.written] == [b"1", b"2", b"3", b"4"]
    assert [one.payload for one in late.video.written] == [b"4"]


def test_what_is_missing_is_sent_again_with_its_own_number_and_timestamp():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder)
    feed(forwarder, packet(65535, keyframe=True), packet(65536), packet(65537))
    lost = subscriber.video.written[1]
    subscriber.video.feedback.missing([lost.sequence_number])
    again = subscriber.video.written[-1]
    assert again == Written(lost.sequence_number, lost.timestamp, b"65536", marker=True, again=True)


def test_two_packets_under_one_number_are_not_both_sent():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder)
    feed(forwarder, packet(65535, keyframe=True), packet(65536), packet(65535, rtp_payload=b"another"))
    feed(forwarder, packet(65536 + REPAIR_PACKETS), packet(65536, rtp_payload=b"another"))
    assert len(subscriber.video.written) == 3
    assert len(set(numbers(subscriber.video))) == 3


def test_padding_keeps_its_place():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder)
    feed(forwarder, packet(1, keyframe=True), packet(2, rtp_payload=b"", marker=False), packet(3))
    assert [one.payload for one in subscriber.video.written] == [b"1", b"", b"3"]
    assert numbers(subscriber.video) == [0, 1, 2]


def test_what_was_lost_on_the_way_to_us_is_sent_when_it_comes():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder)
    feed(forwarder, packet(1, keyframe=True), packet(3))
    missing = (subscriber.video.written[0].sequence_number + 1) & 0xFFFF
    subscriber.video.feedback.missing([missing])
    assert subscriber.leg.dropped == {"not_kept": 1}
    feed(forwarder, packet(2))
    assert subscriber.video.written[-1].sequence_number == missing


def test_a_greedy_subscriber_is_sent_so_many_again():
    clock = ManualClock()
    forwarder = PacketForwarder(clock)
    subscriber = Subscriber(forwarder)
    feed(forwarder, packet(1, keyframe=True))
    first = subscriber.video.written[0].sequence_number
    subscriber.video.feedback.missing([first] * 10_000)
    assert len(subscriber.video.written) == 1 + RESENDS_AT_ONCE
    clock.now += 0.25
    subscriber.video.feedback.missing([first] * 10_000)
    assert len(subscriber.video.written) == 1 + RESENDS_AT_ONCE + 125


def test_sound_goes_to_who_takes_it_and_needs_no_keyframe():
    forwarder = PacketForwarder(ManualClock())
    both, mute = Subscriber(forwarder, audio=True), Subscriber(forwarder)
    feed(forwarder, packet(5, codec=Codec.OPUS, keyframe=True), packet(6, codec=Codec.OPUS, keyframe=True))
    assert numbers(both.tracks["audio"]) == [0, 1]
    assert both.video.written == []
    assert set(mute.tracks) == {"video"}


def test_the_publishers_clock_is_told_in_our_timestamps():
    clock = ManualClock()
    forwarder = PacketForwarder(clock)
    subscriber = Subscriber(forwarder, audio=True)
    forwarder.forward_report(SenderReport("video", 1 << 40, 123))
    assert subscriber.video.reports == []
    feed(forwarder, packet(10, keyframe=True))
    assert subscriber.video.reports == [(1 << 40, 123)]
    clock.now += REPORT_INTERVAL
    feed(forwarder, packet(50, keyframe=True, restarts=True, timestamp=9, arrived_at=1.0))
    shift = subscriber.video.written[-1].timestamp - 9
    assert len(subscriber.video.reports) == 1  # what was told before says nothing of the new stream
    forwarder.forward_report(SenderReport("video", 1 << 41, 3009))
    forwarder.forward_report(SenderReport("video", 1 << 42, 6009))
    forwarder.forward_report(SenderReport("audio", 1 << 41, 5))
    assert subscriber.video.reports[-1] == (1 << 41, (3009 + shift) & 0xFFFFFFFF)
    assert subscriber.tracks["audio"].reports == []
    late = Subscriber(forwarder)
    feed(forwarder, packet(51, keyframe=True, timestamp=9, arrived_at=1.0))
    assert late.video.reports == [(1 << 41, 3009)]


def test_the_slowest_subscriber_says_what_can_be_taken_until_it_says_no_more():
    clock = ManualClock()
    forwarder = PacketForwarder(clock)
    slow, quick = Subscriber(forwarder), Subscriber(forwarder)
    assert forwarder.bitrate(clock()) is None
    slow.video.feedback.bitrate(400_000)
    quick.video.feedback.bitrate(3_000_000)
    assert forwarder.bitrate(clock()) == 400_000
    clock.now += BITRATE_LIFE
    quick.video.feedback.bitrate(2_000_000)
    clock.now += 0.25
    assert forwarder.bitrate(clock()) == 2_000_000


def test_who_has_left_is_sent_nothing_and_stays_in_the_sums():
    forwarder = PacketForwarder(ManualClock())
    subscriber = Subscriber(forwarder)
    feed(forwarder, packet(1), packet(2, keyframe=True))
    forwarder.detach(subscriber.leg)
    forwarder.detach(subscriber.leg)
    feed(forwarder, packet(3))
    subscriber.video.feedback.missing([subscriber.video.written[0].sequence_number])
    assert len(subscriber.video.written) == 1
    assert (forwarder.sent(), forwarder.dropped()) == (1, {"no_keyframe": 1})
    assert not forwarder.needs_keyframe()
    assert forwarder.bitrate(0.0) is None


def test_the_delay_is_from_arrival_to_sent():
    clock = ManualClock(7.0)
    forwarder = PacketForwarder(clock)
    Subscriber(forwarder)
    feed(forwarder, packet(1, keyframe=True, arrived_at=6.75))
    assert forwarder.delays() == [0.25]
