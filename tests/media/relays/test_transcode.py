import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from guard.config import MediaSettings
from guard.core.types import VideoFrame
from guard.media.assembler import AccessUnit, Codec
from guard.media.decode import VideoDecoder
from guard.media.forwarder import UnitQueue
from guard.media.publication import Publication
from guard.media.relays.opening import open_forwarder
from guard.media.relays.transcode import TranscodeForwarder, even
from guard.media.signalling import Format
from tests.support.media import (
    LOOPBACK,
    LoopbackPublisher,
    LoopbackSubscriber,
    ManualClock,
    drawn_frames,
    encoded_units,
    eventually,
    tone,
)

if TYPE_CHECKING:
    from guard.media.transport import Peer

pytestmark = [pytest.mark.media, pytest.mark.peers]

FORMATS = {Codec.VP8: Format(Codec.VP8), Codec.H264: Format(Codec.H264, "42e01f")}
VIDEO = list(FORMATS)


class PeerDouble:
    """Stands in for a subscriber's peer: takes the units that it would send, and asks for keyframes."""

    def __init__(self) -> None:
        self.video: list[AccessUnit] = []
        self.audio: list[AccessUnit] = []
        self.ask_for_keyframe: Callable[[], None] = lambda: None
        self._queues: list[tuple[Format, UnitQueue]] = []

    def send(self, format_: Format, queue: UnitQueue, on_keyframe_wanted: Callable[[], None]) -> None:
        self._queues.append((format_, queue))
        if format_.codec is not Codec.OPUS:
            self.ask_for_keyframe = on_keyframe_wanted

    async def take(self) -> None:
        """Take what comes until the queues close, as a connected peer does."""
        await asyncio.gather(*(self._take(*one) for one in self._queues))

    async def _take(self, format_: Format, queue: UnitQueue) -> None:
        kept = self.audio if format_.codec is Codec.OPUS else self.video
        while (unit := await queue.next()) is not None:
            kept.append(unit)


class Publisher:
    """What a publication does with its forwarder."""

    def __init__(self, codec: Codec = Codec.VP8) -> None:
        self.clock = ManualClock()
        self.forwarder = TranscodeForwarder(MediaSettings(), self.clock)
        self.codec = codec
        self.keyframes_wanted = 0

    @asynccontextmanager
    async def subscribed(self) -> AsyncIterator[PeerDouble]:
        peer = PeerDouble()
        leg = self.forwarder.attach(
            cast("Peer", peer), FORMATS[self.codec], audio=True, on_keyframe_wanted=self._keyframe_wanted
        )
        taking = asyncio.create_task(peer.take())
        await eventually(lambda: leg.needs_keyframe)
        yield peer
        self.forwarder.detach(leg)
        await taking

    async def send(self, *frames: VideoFrame, to: PeerDouble) -> list[AccessUnit]:
        """Forward frame by frame, each when the one before has come out."""
        before = len(to.video)
        for number, frame in enumerate(frames, before + 1):
            self.forwarder.forward_frame(frame)
            await eventually(lambda: len(to.video) == number)  # noqa: B023 -- awaited within the round
        return to.video[before:]

    def _keyframe_wanted(self) -> None:
        self.keyframes_wanted += 1


async def decoded(units: list[AccessUnit]) -> list[VideoFrame]:
    frames: list[VideoFrame] = []
    decoder = VideoDecoder(time.monotonic, frames.append, queue_units=len(units))
    for unit in units:
        decoder.put(unit)
    await eventually(lambda: len(frames) == len(units))
    await decoder.close()
    assert decoder.errors == 0
    return frames


@pytest.mark.parametrize("codec", VIDEO)
async def test_frames_come_out_encoded_anew_in_order(codec: Codec):
    drawn = list(drawn_frames(10))
    publisher = Publisher(codec)
    async with publisher.subscribed() as peer:
        units = await publisher.send(*drawn, to=peer)
    await publisher.forwarder.close()
    assert [unit.keyframe for unit in units] == [True] + [False] * 9
    assert [unit.pts for unit in units] == pytest.approx([frame.pts for frame in drawn], abs=1e-4)
    for frame, source in zip(await decoded(units), drawn, strict=True):
        assert np.abs(frame.y.astype(int) - source.y).mean() < 12
    assert (publisher.forwarder.sent(), publisher.forwarder.dropped()) == (10, {})


async def test_a_unit_arrived_when_the_publishers_did():
    publisher = Publisher()
    frames: list[VideoFrame] = []
    decoder = VideoDecoder(publisher.clock, frames.append)
    decoder.put(encoded_units(Codec.VP8, 1)[0])
    await eventually(lambda: frames)
    await decoder.close()
    async with publisher.subscribed() as peer:
        (unit,) = await publisher.send(*frames, to=peer)
    await publisher.forwarder.close()
    assert (unit.arrived_at, frames[0].decoded_at) == (0.0, publisher.clock.now)


async def test_what_the_publisher_encoded_reaches_nobody_but_its_sound_does():
    publisher = Publisher()
    sound = tone(0.1)
    async with publisher.subscribed() as peer:
        for unit in encoded_units(Codec.VP8, 3) + sound:
            publisher.forwarder.forward_unit(unit)
        await eventually(lambda: len(peer.audio) == len(sound))
    await publisher.forwarder.close()
    assert (peer.video, peer.audio) == ([], sound)


async def test_nothing_is_encoded_for_nobody():
    publisher = Publisher()
    publisher.forwarder.forward_frame(next(drawn_frames(1)))
    assert publisher.forwarder._transcoder is None
    async with publisher.subscribed() as peer:
        await publisher.send(*drawn_frames(1), to=peer)
    transcoder = publisher.forwarder._transcoder
    assert transcoder is not None
    publisher.forwarder.forward_frame(next(drawn_frames(1)))
    assert len(transcoder._frames) == 0
    await publisher.forwarder.close()


async def test_who_comes_later_begins_at_a_keyframe_of_ours_and_the_publisher_is_not_asked():
    publisher = Publisher()
    drawn = list(drawn_frames(12))
    async with publisher.subscribed() as first:
        await publisher.send(*drawn[:4], to=first)
        async with publisher.subscribed() as second:
            assert not publisher.forwarder.needs_keyframe()
            units = await publisher.send(*drawn[4:], to=first)
            assert [unit.keyframe for unit in units[:3]] == [False, True, False]
            await eventually(lambda: second.video == units[1:])
    await publisher.forwarder.close()
    assert publisher.keyframes_wanted == 0
    assert publisher.forwarder.dropped() == {"no_keyframe": 1}


async def test_a_subscriber_who_asks_without_end_gets_a_keyframe_now_and_then():
    publisher = Publisher()
    async with publisher.subscribed() as peer:
        keyframes = []
        for number, frame in enumerate(drawn_frames(40)):
            peer.ask_for_keyframe()
            (unit,) = await publisher.send(frame, to=peer)
            keyframes += [number] if unit.keyframe else []
            publisher.clock.now += 0.1
    await publisher.forwarder.close()
    assert 4 <= len(keyframes) <= 9
    assert min(np.diff(keyframes)) >= 3
    assert publisher.keyframes_wanted == 0


@pytest.mark.parametrize("codec", VIDEO)
async def test_a_new_size_begins_with_a_keyframe_of_that_size(codec: Codec):
    publisher = Publisher(codec)
    async with publisher.subscribed() as peer:
        for size in ((160, 128), (320, 240), (16, 16)):
            units = await publisher.send(*drawn_frames(2, *size), to=peer)
            assert [(unit.keyframe, unit.size) for unit in units] == [(True, size), (False, None)]
    await publisher.forwarder.close()


async def test_odd_sides_are_cut_for_h264_only():
    for codec, size in ((Codec.VP8, (151, 91)), (Codec.H264, (150, 90))):
        publisher = Publisher(codec)
        async with publisher.subscribed() as peer:
            (frame,) = await decoded(await publisher.send(*drawn_frames(1, 151, 91), to=peer))
        await publisher.forwarder.close()
        assert (frame.width, frame.height) == size


def test_a_frame_of_even_sides_stays_as_it_is():
    (frame,) = drawn_frames(1)
    assert even(frame) is frame


async def test_a_frame_that_waits_gives_way_to_a_newer_one():
    publisher = Publisher()
    drawn = list(drawn_frames(20))
    async with publisher.subscribed() as peer:
        # Within one step of the loop nothing is handed over: the thread waits with the first.
        for frame in drawn:
            publisher.forwarder.forward_frame(frame)
        await eventually(lambda: peer.video and peer.video[-1].pts == pytest.approx(drawn[-1].pts, abs=1e-4))
    await publisher.forwarder.close()
    assert publisher.forwarder.dropped() == {"encode_overflow": 20 - len(peer.video)}
    assert len(peer.video) <= 3
    await decoded(peer.video)


async def test_a_frame_that_cannot_be_encoded_costs_itself_only(caplog: pytest.LogCaptureFixture):
    publisher = Publisher(Codec.H264)
    async with publisher.subscribed() as peer:
        for frame in drawn_frames(3, 1, 1):
            publisher.forwarder.forward_frame(frame)
            dropped = publisher.forwarder.dropped().total()
            await eventually(lambda: publisher.forwarder.dropped().total() > dropped)  # noqa: B023 -- see above
        (unit,) = await publisher.send(*drawn_frames(1), to=peer)
    await publisher.forwarder.close()
    assert unit.keyframe
    assert publisher.forwarder.dropped() == {"encode_crash": 3}
    assert caplog.text.count("frame not encoded") == 1


async def test_after_the_end_frames_go_nowhere():
    publisher = Publisher()
    async with publisher.subscribed() as peer:
        await publisher.send(*drawn_frames(1), to=peer)
        await publisher.forwarder.close()
        publisher.forwarder.forward_frame(next(drawn_frames(1)))
        await publisher.forwarder.close()
    assert len(peer.video) == 1


async def test_the_end_comes_also_with_a_unit_to_hand_over():
    publisher = Publisher()
    async with publisher.subscribed():
        for frame in drawn_frames(4, 640, 480):
            publisher.forwarder.forward_frame(frame)
        await publisher.forwarder.close()
    transcoder = publisher.forwarder._transcoder
    assert transcoder is not None
    assert not transcoder._thread.alive


def test_the_settings_name_it():
    forwarder = open_forwarder(MediaSettings(relay="transcode"), time.monotonic)
    assert isinstance(forwarder, TranscodeForwarder)


@pytest.mark.parametrize("codec", VIDEO)
async def test_between_real_peers_subscribers_get_what_was_made_here(codec: Codec):
    publication = Publication(
        "p1", MediaSettings(relay="transcode"), LOOPBACK, time.monotonic, None, lambda _: None
    )
    publisher, subscribers = LoopbackPublisher(codec), [LoopbackSubscriber(), LoopbackSubscriber()]
    await publisher.join(publication)
    for subscriber in subscribers:
        await subscriber.join(publication)
    units = encoded_units(codec, 6)
    for number, unit in enumerate(units, 1):
        publisher.video.put(unit)
        await eventually(lambda: all(len(one.video) == number for one in subscribers))  # noqa: B023 -- see above
    sent = {unit.payload for unit in units}
    for subscriber in subscribers:
        assert subscriber.video[0].keyframe
        assert not sent & {unit.payload for unit in subscriber.video}
        await decoded(subscriber.video)
    await publication.close()
    for peer in (publisher.peer, *(subscriber.peer for subscriber in subscribers)):
        await peer.close()
