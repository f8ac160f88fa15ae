"""Round trips through the codecs of a call: one face crop, or a whole clip."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np

from _shared.corpus import Picture
from guard.simulate.training.pictures import chance

_TIME_BASE = Fraction(1, 30)


def recode(picture: Picture, rng: np.random.Generator) -> Picture:
    """One picture, even sides, through VP8 or H.264 at random quality: a keyframe or the one after it."""
    if chance(rng, 0.6):
        quantiser = int(rng.integers(18, 52))
        options = {"qmin": str(quantiser), "qmax": str(quantiser), "crf": str(quantiser)}
        trip = _trip("libvpx", options, [picture] * int(rng.integers(1, 3)), "5M")
    else:
        trip = _trip(
            "libx264", {"crf": str(int(rng.integers(20, 39)))}, [picture] * int(rng.integers(1, 3)), None
        )
    *_, last = trip
    return last


def recode_clip(frames: Iterable[Picture], kbit_s: int) -> Iterator[Picture]:
    """A clip through VP8 as a call codes it: one pass, real time, ``kbit_s`` kilobits a second."""
    return _trip("libvpx", {"error-resilient": "1"}, frames, f"{kbit_s}k")


def _trip(
    codec: str, options: dict[str, str], frames: Iterable[Picture], bitrate: str | None
) -> Iterator[Picture]:
    encoder, decoder = None, av.CodecContext.create({"libvpx": "vp8", "libx264": "h264"}[codec], "r")
    for index, picture in enumerate(frames):
        if encoder is None:
            encoder = _encoder(codec, options, picture.shape[1], picture.shape[0], bitrate)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = index
        yield from _decode(decoder, encoder.encode(frame))
    if encoder is not None:
        yield from _decode(decoder, encoder.encode(None))
    yield from _decode(decoder, [None])


def _decode(decoder: av.CodecContext, packets: Iterable["av.Packet | None"]) -> Iterator[Picture]:
    for packet in packets:
        for frame in decoder.decode(packet):
            yield frame.to_ndarray(format="rgb24")


def _encoder(
    codec: str, options: dict[str, str], width: int, height: int, bitrate: str | None
) -> av.CodecContext:
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuv420p", _TIME_BASE
    encoder.framerate, encoder.thread_count = Fraction(30), 1
    if bitrate is not None:
        encoder.bit_rate = int(bitrate.replace("k", "000").replace("M", "000000"))
    live = (
        {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
        if codec == "libvpx"
        else {"preset": "ultrafast", "tune": "zerolatency"}
    )
    encoder.options = live | options
    return encoder
