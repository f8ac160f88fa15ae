import asyncio
import dataclasses
import time
from itertools import count
from typing import TYPE_CHECKING

import pytest
from aiortc.rtp import is_rtcp

from guard.config import IceSettings, MediaSettings
from guard.core.errors import EnvironmentProblem, NotFoundError, SignallingError, UnsupportedCodec
from guard.media.assembler import AccessUnit, Codec, Packet, begins_keyframe
from guard.media.keyframes import nal_units
from guard.media.publication import Publication
from guard.media.relays.packets import PacketForwarder
from tests.support.media import (
    LOOPBACK,
    LoopbackPublisher,
    LoopbackSubscriber,
    encoded_units,
    eventually,
    packets_of,
    tone,
)

if TYPE_CHECKING:
    from guard.core.types import VideoFrame

pytestmark = [pytest.mark.media, pytest.mark.peers]

MEDIA = MediaSettings(decode_queue_units=200, forward_queue_units=200)


class Room:
    """A publication with what it reported."""

    def __init__(self, media: MediaSettings = MEDIA, ice: IceSettings = LOOPBACK) -> None:
        self.frames: list[VideoFrame] = []
        self.closed: list[str] = []
        self.publication = Publication(
            "p1", media, ice, time.monotonic, self.frames.append, self.closed.append
        )


def contents(codec: Codec, units: list[AccessUnit]) -> list[list[bytes]]:
    """What must arrive bit by bit: VP8 frames, H.264 NAL units (start codes may be written anew)."""
    if codec is Codec.VP8:
        return [[unit.payload] for unit in units]
    return [[nal.rstrip(b"\0") for nal in nal_units(unit.payload)] for unit in units]


@pytest.mark.parametrize("relay", ["rtp", "frame"])
@pytest.mark.parametrize("codec", [Codec.VP8, Codec.H264])
async def test_units_reach_the_subscriber_bit_by_bit_and_the_decoder(codec: Codec, relay: str):
    room = Room(MEDIA.model_copy(update={"relay": relay}))
    publisher, subscriber = LoopbackPublisher(codec, audio=True), LoopbackSubscriber(audio=True)
    units, voice = encoded_units(codec, 30), tone(0.3)
    await publisher.join(room.publication)
    await subscriber.join(room.publication)
    for unit in units:
        publisher.video.put(unit)
    for unit in voice:
        publisher.audio.put(unit)
    await eventually(lambda: len(subscriber.video) == 30 and len(room.frames) == 30)
    await eventually(
        lambda: len(subscriber.audio) == len(voice) and len(room.publication.audio.latest()[0]) > 4000
    )
    stats = room.publication.stats()
    await asyncio.gather(subscriber.peer.close(), publisher.peer.close())
    await room.publication.close()
    assert contents(codec, subscriber.video) == contents(codec, units)
    assert [unit.payload for unit in subscriber.audio] == [unit.payload for unit in voice]
    assert [unit.pts for unit in subscriber.video] == pytest.approx([unit.pts for unit in units], abs=1e-4)
    assert [frame.pts for frame in room.frames] == pytest.approx([unit.pts for unit in units], abs=1e-4)
    assert (stats.codec, stats.width, stats.height, stats.units) == (codec, 160, 120, 30)
    assert (stats.lost_packets, stats.decode_errors, stats.dropped) == (0, 0, {})
    assert stats.forward_ms is not None
    assert room.closed == ["left"]
    assert len(subscriber.closed) == 1


async def test_a_pli_of_a_subscriber_reaches_the_publisher_merged():
    room, publisher = (
        Room(MEDIA.model_copy(update={"keyframe_interval_s": 60.0})),
        LoopbackPublisher(Codec.VP8),
    )
    subscribers = [LoopbackSubscriber(), LoopbackSubscriber()]
    await publisher.join(room.publication)
    for subscriber in subscribers:
        await subscriber.join(room.publication)
    publisher.video.put(encoded_units(Codec.VP8, 1)[0])
    await eventually(lambda: all(len(subscriber.video) == 1 for subscriber in subscribers))
    for _ in range(3):
        for subscriber in subscribers:
            subscriber.track.send_pli()
    await eventually(lambda: publisher.keyframes_wanted)
    await room.publication.close()
    await asyncio.gather(publisher.peer.close(), *(subscriber.peer.close() for subscriber in subscribers))
    assert publisher.keyframes_wanted == 1
    assert room.publication.stats().keyframe_requests == 1


async def test_who_joins_in_the_middle_gets_a_keyframe_first():
    room, publisher, late = Room(), LoopbackPublisher(Codec.VP8), LoopbackSubscriber()
    units = encoded_units(Codec.VP8, 6, keyframe_every=4)
    await publisher.join(room.publication)
    publisher.video.put(units[0])
    await eventually(lambda: len(room.frames) == 1)
    await late.join(room.publication)
    publisher.video.put(units[1])
    await eventually(lambda: publisher.keyframes_wanted)
    for unit in units[2:]:
        publisher.video.put(unit)
    await eventually(lambda: len(late.video) == 2)
    await asyncio.gather(publisher.peer.close(), late.peer.close())
    await room.publication.close()
    assert [unit.payload for unit in late.video] == [unit.payload for unit in units[4:]]


async def test_a_giant_keyframe_ends_the_call_and_reaches_nobody():
    room, publisher, subscriber = Room(), LoopbackPublisher(Codec.VP8), LoopbackSubscriber()
    unit = encoded_units(Codec.VP8, 1)[0]
    payload = unit.payload[:6] + b"\xff\x3f\xff\x3f" + unit.payload[10:]
    await publisher.join(room.publication)
    await subscriber.join(room.publication)
    publisher.video.put(dataclasses.replace(unit, payload=payload))
    await eventually(lambda: room.closed)
    await asyncio.gather(publisher.peer.close(), subscriber.peer.close())
    assert room.closed == ["frame_policy"]
    assert subscriber.closed == ["publication_ended"]
    assert subscriber.video == []
    assert room.frames == []


async def test_a_picture_in_a_thousand_pieces_ends_the_call():
    room, publisher = Room(), LoopbackPublisher(Codec.H264)
    unit = encoded_units(Codec.H264, 1)[0]
    await publisher.join(room.publication)
    publisher.video.put(dataclasses.replace(unit, payload=b"\0\0\0\1\x41\x9a" * 1100))
    await eventually(lambda: room.closed)
    await publisher.peer.close()
    assert room.closed == ["frame_policy"]
    assert room.publication.stats().dropped == {"assemble.policy": 1}


async def test_a_publisher_who_leaves_ends_the_publication_and_its_subscriptions():
    room, publisher, subscriber = Room(), LoopbackPublisher(Codec.VP8), LoopbackSubscriber()
    await publisher.join(room.publication)
    await subscriber.join(room.publication)
    await publisher.peer.close()
    await eventually(lambda: room.closed)
    await room.publication.close("later")
    await subscriber.peer.close()
    assert room.closed == ["left"]
    assert subscriber.closed == ["publication_ended"]


async def test_a_publisher_who_never_connects_is_closed():
    room, publisher = (
        Room(ice=LOOPBACK.model_copy(update={"connect_timeout_s": 0.1})),
        LoopbackPublisher(Codec.VP8),
    )
    await room.publication.answer(await publisher.peer.offer())
    await eventually(lambda: room.closed)
    await publisher.peer.close()
    assert room.closed == ["connect_timeout"]


async def test_a_publisher_who_sends_nothing_is_closed():
    room, publisher = Room(MEDIA.model_copy(update={"idle_timeout_s": 0.3})), LoopbackPublisher(Codec.VP8)
    await publisher.join(room.publication)
    await eventually(lambda: room.closed)
    await publisher.peer.close()
    assert room.closed == ["idle"]


async def test_a_subscriber_without_the_publishers_codec_is_refused():
    room, publisher, subscriber = Room(), LoopbackPublisher(Codec.VP8), LoopbackSubscriber()
    await publisher.join(room.publication)
    offer = await subscriber.peer.offer()
    with pytest.raises(UnsupportedCodec, match="expected the publisher's codec vp8, got h264"):
        await room.publication.subscribe(offer.replace("VP8/90000", "VP9/90000"), subscriber.closed.append)
    await subscriber.peer.close()
    await room.publication.close()
    await publisher.peer.close()
    with pytest.raises(NotFoundError):
        await room.publication.subscribe(offer, subscriber.closed.append)
    assert subscriber.closed == []


async def test_an_answer_that_fails_leaves_nothing_behind():
    elsewhere = IceSettings(host_addresses=("192.0.2.1",))
    room, publisher = Room(ice=elsewhere), LoopbackPublisher(Codec.VP8)
    offer = await publisher.peer.offer()
    with pytest.raises(EnvironmentProblem, match=r"expected one of .*192"):
        await room.publication.answer(offer)
    await publisher.peer.close()
    assert room.closed == []


async def test_a_refused_offer_leaves_nothing_behind():
    room = Room()
    with pytest.raises(SignallingError):
        await room.publication.answer("v=0")
    assert room.closed == []


async def test_a_second_offer_is_refused():
    room, publisher = Room(), LoopbackPublisher(Codec.VP8)
    offer = await publisher.peer.offer()
    await room.publication.answer(offer)
    with pytest.raises(SignallingError, match="expected its first offer"):
        await room.publication.answer(offer)
    await room.publication.close()
    await publisher.peer.close()


async def test_trickled_candidates_of_other_credentials_are_refused():
    room, publisher = Room(), LoopbackPublisher(Codec.VP8)
    await room.publication.answer(await publisher.peer.offer())
    with pytest.raises(SignallingError, match="ICE restart"):
        await room.publication.add_candidates("a=ice-ufrag:other\r\n")
    await room.publication.close()
    await publisher.peer.close()
    assert room.closed == ["left"]


async def test_a_publisher_connects_by_trickled_candidates_alone():
    room, publisher = Room(), LoopbackPublisher(Codec.VP8)
    lines = (await publisher.peer.offer()).splitlines()
    candidates = [line for line in lines if line.startswith("a=candidate")]
    bare = [line for line in lines if "candidate" not in line]
    answer = await room.publication.answer("\r\n".join(bare))
    mid = next(line for line in lines if line.startswith("a=mid"))
    await room.publication.add_candidates("\r\n".join([mid, *candidates, "a=end-of-candidates"]))
    await publisher.peer.accept(answer)
    await eventually(lambda: "connected" in publisher.states)
    await room.publication.close()
    await publisher.peer.close()


def lose_every_seventh(publisher: LoopbackPublisher) -> list[int]:
    """Every seventh RTP packet of the publisher never leaves; retransmissions count along."""
    lost: list[int] = []
    (dtls,) = publisher.peer._transports
    send, number = dtls.transport._send, count()

    async def send_most(data: bytes) -> None:
        if data[0] >> 6 == 2 and not is_rtcp(data) and (place := next(number)) % 7 == 6:
            lost.append(place)
        else:
            await send(data)

    dtls.transport._send = send_most
    return lost


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.H264])
async def test_lost_packets_are_asked_for_again(codec: Codec):
    room, publisher = Room(), LoopbackPublisher(codec)
    units = encoded_units(codec, 40, width=320, height=240)
    await publisher.join(room.publication)
    lost = lose_every_seventh(publisher)
    for unit in units:
        publisher.video.put(unit)
        await asyncio.sleep(0)
    await eventually(lambda: len(room.frames) >= 35)
    await room.publication.close()
    await publisher.peer.close()
    assert len(lost) >= 5
    assert room.publication.stats().dropped.get("assemble.lost_packet", 0) == 0


async def test_a_picture_too_large_for_the_decoder_alone_ends_the_call(monkeypatch: pytest.MonkeyPatch):
    """A size that we cannot read, but FFmpeg can."""
    room, publisher = Room(), LoopbackPublisher(Codec.VP8)
    await publisher.join(room.publication)
    monkeypatch.setattr(type(room.publication._video_decoder), "breach", "oversize")
    publisher.video.put(encoded_units(Codec.VP8, 1)[0])
    await eventually(lambda: room.closed)
    await publisher.peer.close()
    assert room.closed == ["frame_policy"]


class Watched(PacketForwarder):
    """Keeps the numbers of the packets that are forwarded."""

    def __init__(self) -> None:
        super().__init__(time.monotonic)
        self.numbers: list[int] = []

    def forward_packet(self, packet: Packet) -> bool:
        self.numbers.append(packet.number)
        return super().forward_packet(packet)


def watched(room: Room) -> Watched:
    room.publication._forwarder = forwarder = Watched()
    return forwarder


async def test_what_comes_too_late_to_be_judged_is_shown_to_nobody():
    room = Room()
    forwarder = watched(room)
    packets = packets_of(encoded_units(Codec.VP8, 80), size=1100)
    late, punctual = packets[10], [packet for packet in packets if packet is not packets[10]]
    for packet in punctual:
        room.publication._on_video_packet(packet._replace(arrived_at=packet.number / 30))
    room.publication._on_video_packet(late._replace(arrived_at=punctual[-1].number / 30))
    stats = room.publication.stats()
    await room.publication.close()
    assert late.number not in forwarder.numbers
    assert len(forwarder.numbers) == len(punctual)
    assert stats.dropped["assemble.late"] == 1


async def test_a_large_keyframe_survives_a_loss_that_is_mended():
    room = Room()
    forwarder = watched(room)
    unit = encoded_units(Codec.VP8, 1)[0]
    parts = packets_of([dataclasses.replace(unit, payload=unit.payload + bytes(150 * 1100))], size=1100)
    assert len(parts) > 100
    for packet in [*parts[:9], *parts[10:]]:
        room.publication._on_video_packet(packet._replace(arrived_at=1.0))
    room.publication._on_video_packet(parts[9]._replace(arrived_at=1.06))
    stats = room.publication.stats()
    await room.publication.close()
    assert stats.units == 1
    assert len(forwarder.numbers) == len(parts)


SPS_OF_A_GIANT = b"\x67" + b"B\xc0\x1f\xda\x00>\x80\x0f\xa6@"
"""Baseline, 16000x8000."""

BOMBS = {
    "VP8 without its size": (Codec.VP8, b"\x10\x00\x00\x9d\x01\x2a\xff\x3f\xff"),
    "VP8 of a giant": (Codec.VP8, b"\x10\x00\x00\x9d\x01\x2a\xff\x3f\xff\x3f"),
    "H.264 behind other NAL units": (
        Codec.H264,
        b"".join(b"\0\0\0\1" + nal for nal in (b"\x09\x10", *[b"\x06\x05"] * 6, SPS_OF_A_GIANT, b"\x65\x88")),
    ),
}


@pytest.mark.parametrize("name", BOMBS)
async def test_nobody_is_sent_a_packet_of_a_giant(name: str):
    room = Room()
    forwarder = watched(room)
    codec, payload = BOMBS[name]
    packet = packets_of(encoded_units(Codec.VP8, 1))[0]
    bomb = packet._replace(
        codec=codec, payload=payload, marker=False, keyframe=begins_keyframe(codec, payload)
    )
    assert bomb.keyframe
    room.publication._on_video_packet(bomb)
    await eventually(lambda: room.closed)
    assert room.closed == ["frame_policy"]
    assert forwarder.numbers == []
