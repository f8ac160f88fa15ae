"""The rtp relay between real peers on loopback: loss, clocks, bitrates, codecs."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiortc.clock import current_ntp_time
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, pack_remb_fci, unpack_remb_fci

from guard.config import MediaSettings
from guard.media.assembler import Codec, Packet
from guard.media.publication import Publication, Subscription
from guard.media.relays.packets import PacketLeg
from guard.media.rtp.inbound import CLOCK_RATES, InboundTrack, SenderReport
from tests.support.media import (
    LOOPBACK,
    LoopbackPublisher,
    LoopbackSubscriber,
    encoded_units,
    eventually,
    tone,
)

pytestmark = [pytest.mark.media, pytest.mark.peers]

MEDIA = MediaSettings(min_bitrate=200_000, max_bitrate=2_000_000)


def publication(media: MediaSettings = MEDIA, *, tap: Callable[[object], None] | None = None) -> Publication:
    return Publication("p1", media, LOOPBACK, time.monotonic, tap, lambda _: None)


def leg_of(subscription: Subscription) -> PacketLeg:
    assert isinstance(subscription._leg, PacketLeg)
    return subscription._leg


def lose_every_seventh(leg: PacketLeg) -> list[int]:
    """Every seventh packet to this subscriber never leaves, none that is sent again."""
    track = leg.strands["video"]._track
    assert track is not None
    write, lost, sent = track.write, [], []

    def write_most(place: int, *args: Any, **kwargs: Any) -> bool:
        sent.append(place)
        if len(sent) % 7 == 6:
            lost.append(place)
            return False
        return write(place, *args, **kwargs)

    track.write = write_most  # type: ignore[assignment,method-assign]  # on this one object
    return lost


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.H264])
async def test_what_is_lost_on_the_way_to_a_subscriber_is_sent_again(codec: Codec):
    one, publisher, subscriber = publication(), LoopbackPublisher(codec), LoopbackSubscriber()
    units = encoded_units(codec, 40, width=320, height=240)
    await publisher.join(one)
    leg = leg_of(await subscriber.join(one))
    lost = lose_every_seventh(leg)
    for unit in units:
        publisher.video.put(unit)
        await asyncio.sleep(0)
    await eventually(lambda: len(subscriber.video) >= 38)
    await asyncio.gather(publisher.peer.close(), subscriber.peer.close())
    await one.close()
    assert len(lost) >= 5
    got = [len(unit.payload) for unit in subscriber.video]
    assert got[:38] == pytest.approx([len(unit.payload) for unit in units[:38]], abs=8)  # H.264's start codes
    assert subscriber.track.dropped.total() == 0


class Told:
    """What one track is told of the publisher's clock, and the timestamps that come."""

    def __init__(self, track: InboundTrack) -> None:
        self.reports: list[SenderReport] = []
        self.timestamps: list[int] = []
        hand_on = track._on_packet
        track._on_report = self.reports.append

        def take(packet: Packet) -> None:
            self.timestamps.append(packet.timestamp)
            hand_on(packet)

        track._on_packet = take

    def ntp(self, timestamp: int) -> float:
        """When it was captured, in seconds of the publisher's clock, by the last report."""
        (kind, ntp, told) = self.reports[-1]
        ticks = (timestamp - told + (1 << 31)) % (1 << 32) - (1 << 31)
        return ntp / (1 << 32) + ticks / CLOCK_RATES[kind]


async def test_sound_and_pictures_keep_the_publishers_clock():
    one, publisher = publication(), LoopbackPublisher(Codec.VP8, audio=True)
    subscriber = LoopbackSubscriber(audio=True)
    video, audio = (Told(stand_in(transceiver)) for transceiver in subscriber.peer._pc.getTransceivers())
    await publisher.join(one)
    await subscriber.join(one)
    before = current_ntp_time() / (1 << 32)
    for unit in encoded_units(Codec.VP8, 3):
        publisher.video.put(unit)
    for unit in tone(0.1):
        publisher.audio.put(unit)
    await eventually(lambda: all(told.reports and told.timestamps for told in (video, audio)))
    after = current_ntp_time() / (1 << 32)
    await asyncio.gather(publisher.peer.close(), subscriber.peer.close())
    await one.close()
    captured = [told.ntp(timestamp) for told in (video, audio) for timestamp in told.timestamps]
    assert len(captured) >= 2
    assert before - 1.0 < min(captured) <= max(captured) < after + 1.0


def stand_in(transceiver: Any) -> InboundTrack:
    track = transceiver.receiver.receive.__self__
    assert isinstance(track, InboundTrack)
    return track


async def test_the_publisher_is_told_what_the_slowest_subscriber_can_take():
    one, publisher = publication(), LoopbackPublisher(Codec.VP8)
    subscribers = [LoopbackSubscriber(), LoopbackSubscriber()]
    heard = bitrates_heard(publisher)
    await publisher.join(one)
    for subscriber in subscribers:
        await subscriber.join(one)
    publisher.video.put(encoded_units(Codec.VP8, 1)[0])
    await eventually(lambda: all(subscriber.video for subscriber in subscribers))
    await eventually(lambda: heard and heard[-1] == pytest.approx(2_000_000, rel=1e-4))
    say_bitrate(subscribers[0], 1_000_000)
    say_bitrate(subscribers[1], 700_000)
    await eventually(lambda: heard[-1] == pytest.approx(700_000, rel=1e-4))
    say_bitrate(subscribers[1], 10_000)
    await eventually(lambda: heard[-1] == pytest.approx(200_000, rel=1e-4))
    await asyncio.gather(publisher.peer.close(), *(subscriber.peer.close() for subscriber in subscribers))
    await one.close()


def bitrates_heard(publisher: LoopbackPublisher) -> list[int]:
    """What the publisher's sender is told that it may send."""
    heard: list[int] = []
    (sender,) = publisher.peer._pc.getSenders()
    handle = sender._handle_rtcp_packet

    async def listen(packet: Any) -> None:
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            heard.append(unpack_remb_fci(packet.fci)[0])
        await handle(packet)

    sender._handle_rtcp_packet = listen  # type: ignore[method-assign]  # on this one object
    return heard


def say_bitrate(subscriber: LoopbackSubscriber, bitrate: int) -> None:
    ssrc = subscriber.track._gate.ssrc
    assert ssrc is not None
    fci = pack_remb_fci(bitrate, [ssrc])
    subscriber.track._send(
        RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=subscriber.track._own_ssrc, media_ssrc=0, fci=fci)
    )


async def test_without_a_tap_nothing_is_assembled_and_late_subscribers_get_a_keyframe():
    one, publisher, subscriber = publication(), LoopbackPublisher(Codec.VP8), LoopbackSubscriber()
    units = encoded_units(Codec.VP8, 6, keyframe_every=3)
    await publisher.join(one)
    publisher.video.put(units[0])
    await eventually(lambda: one.stats().bytes)
    await subscriber.join(one)
    publisher.video.put(units[1])
    await eventually(lambda: publisher.keyframes_wanted)
    for unit in units[2:]:
        publisher.video.put(unit)
    await eventually(lambda: len(subscriber.video) == 3)
    stats = one.stats()
    await asyncio.gather(publisher.peer.close(), subscriber.peer.close())
    await one.close()
    assert [unit.payload for unit in subscriber.video] == [unit.payload for unit in units[3:]]
    assert (stats.units, stats.decoded) == (0, 0)
