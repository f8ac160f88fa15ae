import dataclasses
import threading
import time

import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from guard.core.types import VideoFrame
from guard.media.assembler import AccessUnit, Codec
from guard.media.decode import AudioDecoder, AudioWindow, VideoDecoder, open_video_decoder
from guard.media.worker import HANGS_AFTER
from tests.support.media import drawn_frames, encoded_units, eventually, tone

pytestmark = pytest.mark.media

VIDEO = [Codec.VP8, Codec.H264]


class Frames(list[VideoFrame]):
    """Keeps what a decoder hands out."""


def giant(unit: AccessUnit) -> AccessUnit:
    """A VP8 keyframe that claims to be 16383 x 16383."""
    payload = unit.payload[:6] + b"\xff\x3f\xff\x3f" + unit.payload[10:]
    return dataclasses.replace(unit, payload=payload)


@pytest.mark.parametrize(("codec", "size"), [(Codec.VP8, (151, 91)), (Codec.H264, (150, 90))])
async def test_frames_come_out_as_views_like_what_went_in(codec: Codec, size: tuple[int, int]):
    units = encoded_units(codec, 10, width=size[0], height=size[1])
    frames = Frames()
    decoder = VideoDecoder(time.monotonic, frames.append, queue_units=10)
    for unit in units:
        decoder.put(dataclasses.replace(unit, arrived_at=unit.pts + 5))
    await eventually(lambda: len(frames) == 10)
    await decoder.close()
    for frame, drawn in zip(frames, drawn_frames(10, *size), strict=True):
        assert (frame.width, frame.height) == size
        assert frame.pts == pytest.approx(drawn.pts, abs=1e-4)
        assert frame.arrived_at == pytest.approx(drawn.pts + 5, abs=1e-4)
        assert np.abs(frame.y.astype(int) - drawn.y).mean() < 12
        assert not frame.y.flags.owndata
        assert not frame.y.flags.writeable
    assert (decoder.frames, decoder.errors) == (10, 0)


@pytest.mark.parametrize("codec", VIDEO)
async def test_overflow_drops_to_the_next_keyframe(codec: Codec):
    units = encoded_units(codec, 12, keyframe_every=8)
    frames = Frames()
    decoder = VideoDecoder(time.monotonic, frames.append, queue_units=2)
    decoder.put(units[0])
    # Within one step of the loop more units come than may wait, however fast the thread is.
    for unit in units[1:8] * 20:
        decoder.put(unit)
    dropped = decoder.dropped.total()
    assert dropped > 0
    assert decoder.needs_keyframe
    await eventually(lambda: decoder.frames == 1 + 140 - dropped)
    decoder.put(units[8])
    decoder.put(units[9])
    await eventually(lambda: decoder.frames == 3 + 140 - dropped)
    await decoder.close()
    assert not decoder.needs_keyframe


async def test_a_giant_vp8_keyframe_is_refused_unseen_and_decoding_goes_on():
    units = encoded_units(Codec.VP8, 9, keyframe_every=4)
    frames = Frames()
    decoder = VideoDecoder(time.monotonic, frames.append, queue_units=20, max_pixels=1920 * 1088)
    for unit in [*units[:4], giant(units[4]), *units[5:8]]:
        decoder.put(unit)
    await eventually(lambda: decoder.errors == 4)
    assert decoder.needs_keyframe
    decoder.put(units[8])
    await eventually(lambda: decoder.frames == 5)
    await decoder.close()
    assert not decoder.needs_keyframe


@pytest.mark.parametrize("codec", VIDEO)
@pytest.mark.parametrize("spare", [0, -1])
async def test_the_codec_itself_keeps_to_the_limit_of_pixels(codec: Codec, spare: int):
    decoder = VideoDecoder(time.monotonic, Frames().append, max_pixels=320 * 240 + spare)
    (unit,) = encoded_units(codec, 1, width=320, height=240)
    decoder.put(dataclasses.replace(unit, size=None))
    await eventually(lambda: decoder.frames or decoder.errors)
    await decoder.close()
    assert (decoder.frames, decoder.errors) == ((1, 0) if spare == 0 else (0, 1))


async def test_a_size_that_only_the_codec_finds_is_a_breach_too():
    decoder = VideoDecoder(time.monotonic, Frames().append, max_pixels=320 * 240 - 1)
    (unit,) = encoded_units(Codec.H264, 1, width=320, height=240)
    decoder.put(dataclasses.replace(unit, size=None))
    await eventually(lambda: decoder.errors)
    await decoder.close()
    assert decoder.breach == "oversize"


@pytest.mark.parametrize("codec", VIDEO)
async def test_no_codec_sees_an_announced_giant_and_the_breach_stays(codec: Codec):
    units = encoded_units(codec, 6, keyframe_every=3, width=160, height=128)
    frames = Frames()
    decoder = VideoDecoder(time.monotonic, frames.append, queue_units=10, max_pixels=160 * 128)
    decoder.put(units[0])
    assert decoder.breach is None
    decoder.put(dataclasses.replace(units[0], size=(160, 129)))
    decoder.put(units[1])
    assert decoder.needs_keyframe
    decoder.put(units[3])
    await eventually(lambda: len(frames) == 2)
    await decoder.close()
    assert [frame.pts for frame in frames] == pytest.approx([units[0].pts, units[3].pts], abs=1e-4)
    assert (decoder.errors, decoder.dropped) == (0, {"crash": 0, "oversize": 1, "no_keyframe": 1})
    assert decoder.breach == "oversize"


async def test_a_decoder_that_hangs_twice_is_a_breach():
    stuck, hung = threading.Event(), []

    def hang(frame: VideoFrame) -> None:
        hung.append(frame)
        stuck.wait()

    decoder = VideoDecoder(time.monotonic, hang)
    (keyframe,) = encoded_units(Codec.VP8, 1)
    for number in (1, 2, 3):
        assert decoder.breach is None
        decoder.put(dataclasses.replace(keyframe, arrived_at=number * HANGS_AFTER))
        await eventually(lambda: len(hung) == min(number, 2))  # noqa: B023 -- awaited within the round
    assert decoder.breach == "hang"
    stuck.set()
    await decoder.close()


async def test_a_crash_of_who_takes_the_frames_costs_one_frame():
    frames = Frames()

    def take(frame: VideoFrame) -> None:
        if not frames and decoder.frames == 2:
            msg = "no more room"
            raise RuntimeError(msg)
        frames.append(frame)

    decoder = VideoDecoder(time.monotonic, take, queue_units=10)
    units = encoded_units(Codec.VP8, 4)
    decoder.put(units[0])
    await eventually(lambda: frames)
    frames.clear()
    for unit in units[1:]:
        decoder.put(unit)
    await eventually(lambda: len(frames) == 2)
    await decoder.close()
    assert [frame.pts for frame in frames] == pytest.approx([unit.pts for unit in units[2:]], abs=1e-4)
    assert decoder.dropped == {"crash": 1}


async def test_a_crash_of_the_codec_waits_for_the_next_keyframe(monkeypatch: pytest.MonkeyPatch):
    frames = Frames()
    decoder = VideoDecoder(time.monotonic, frames.append, queue_units=10)
    crashes = iter([True])

    def open_context(codec: Codec, max_pixels: int) -> VideoCodecContext:
        if next(crashes, False):
            raise MemoryError
        return open_video_decoder(codec, max_pixels)

    monkeypatch.setattr("guard.media.decode.open_video_decoder", open_context)
    units = encoded_units(Codec.VP8, 3, keyframe_every=2)
    for unit in units:
        decoder.put(unit)
    await eventually(lambda: frames)
    await decoder.close()
    assert [frame.pts for frame in frames] == pytest.approx([units[2].pts], abs=1e-4)
    assert (decoder.errors, decoder.dropped) == (1, {"crash": 1})


@pytest.mark.parametrize("codec", VIDEO)
async def test_garbage_is_counted_and_decoding_goes_on_at_the_next_keyframe(codec: Codec):
    units = encoded_units(codec, 6, keyframe_every=3)
    noise = np.random.default_rng(1)
    frames = Frames()
    decoder = VideoDecoder(time.monotonic, frames.append, queue_units=200)
    decoder.put(units[0])
    for _ in range(100):
        payload = units[0].payload[:4] + noise.bytes(int(noise.integers(40)))
        decoder.put(dataclasses.replace(units[1], payload=payload, keyframe=True))
    for unit in units[3:]:
        decoder.put(unit)
    await eventually(lambda: frames and frames[-1].pts == pytest.approx(units[-1].pts))
    await decoder.close()
    assert decoder.errors > 0


async def test_a_decoder_that_never_worked_closes():
    decoder = VideoDecoder(time.monotonic, Frames().append)
    await decoder.close()
    assert decoder.frames == 0


async def test_a_voice_becomes_16_khz_mono():
    window = AudioWindow(2.0)
    decoder = AudioDecoder(window)
    units = tone(0.8)
    for unit in units:
        decoder.put(unit)
    await eventually(lambda: len(window.latest()[0]) > 0.75 * 16_000)
    await decoder.close()
    samples, ended_at = window.latest()
    assert samples.dtype == np.float32
    assert ended_at == 1.0
    steady = samples[4000:12_000]
    peak = np.argmax(np.abs(np.fft.rfft(steady))) * 16_000 / len(steady)
    assert peak == pytest.approx(440, abs=5)
    assert 0.2 < np.sqrt(np.mean(steady**2)) < 0.6
    assert decoder.errors == 0


async def test_a_pause_of_the_sender_becomes_silence():
    window = AudioWindow(4.0)
    decoder = AudioDecoder(window)
    units = tone(0.4)
    late = [dataclasses.replace(unit, pts=unit.pts + 1.0) for unit in units[10:]]
    for unit in units[:10] + late:
        decoder.put(unit)
    await eventually(lambda: len(window.latest()[0]) > 1.3 * 16_000)
    await decoder.close()
    pause = window.latest()[0][round(0.3 * 16_000) : round(1.1 * 16_000)]
    assert np.abs(pause).max() == 0


async def test_broken_opus_is_counted():
    window = AudioWindow(1.0)
    decoder = AudioDecoder(window)
    for unit in tone(0.1):
        decoder.put(dataclasses.replace(unit, payload=b"\xff" * 3))
    await eventually(lambda: decoder.errors == 5)
    await decoder.close()


def test_the_window_keeps_the_newest_samples():
    window = AudioWindow(10 / 16_000)
    assert len(window.latest()[0]) == 0
    for start in range(0, 28, 7):
        window.add(np.arange(start, start + 7, dtype=np.float32), float(start))
    samples, ended_at = window.latest()
    assert samples.tolist() == list(range(18, 28))
    assert ended_at == 21.0
    window.add(np.arange(100, dtype=np.float32), 1.0)
    assert window.latest()[0].tolist() == list(range(90, 100))
