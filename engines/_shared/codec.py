"""Round trips through the codecs of a call: one face crop, or a whole clip."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import cv2
import numpy as np

from _shared.corpus import Picture
from guard.simulate.training.pictures import chance

_TIME_BASE = Fraction(1, 30)


def recode(picture: Picture, rng: np.random.Generator) -> Picture:
    """One picture, even sides, through VP8 or H.264 at random quality: a keyframe or the one after it."""
    vp8 = chance(rng, 0.6)
    quantiser = int(rng.integers(18, 52) if vp8 else rng.integers(20, 39))
    return _last([picture] * int(rng.integers(1, 3)), quantiser, vp8=vp8)


def recode_moving(picture: Picture, rng: np.random.Generator) -> Picture:
    """One picture, even sides, as the last of two to six that shift, turn and zoom a little.

    As in a call, most of it is then predicted from coded pictures and not coded anew.
    """
    seen = approaching(picture, rng)
    vp8 = chance(rng, 0.6)
    quantiser = int(rng.integers(16, 50) if vp8 else rng.integers(19, 38))
    return _last(seen, quantiser, vp8=vp8)


def approaching(picture: Picture, rng: np.random.Generator) -> list[Picture]:
    """Two to six pictures that end with this one, each moved a little less than the one before."""
    height, width = picture.shape[:2]
    count = int(rng.integers(2, 7))
    step = rng.normal(0, 0.006, 2) * width
    zoom, turn = rng.normal(0, 0.003), rng.normal(0, 0.4)
    seen = []
    for back in range(count - 1, 0, -1):
        moved = cv2.getRotationMatrix2D((width / 2, height / 2), turn * back, 1 + zoom * back)
        moved[:, 2] += step * back
        seen.append(cv2.warpAffine(picture, moved, (width, height), borderMode=cv2.BORDER_REFLECT_101))
    return [*seen, picture]


def recode_clip(frames: Iterable[Picture], kbit_s: int) -> Iterator[Picture]:
    """A clip through VP8 as a call codes it: one pass, real time, ``kbit_s`` kilobits a second."""
    return _trip("libvpx", {"error-resilient": "1"}, frames, f"{kbit_s}k")


def _last(pictures: Iterable[Picture], quantiser: int, *, vp8: bool) -> Picture:
    """What the last picture looks like after its codec at a fixed quantiser (VP8) or rate factor (H.264)."""
    if vp8:
        options = {"qmin": str(quantiser), "qmax": str(quantiser), "crf": str(quantiser)}
        *_, last = _trip("libvpx", options, pictures, "5M")
    else:
        *_, last = _trip("libx264", {"crf": str(quantiser)}, pictures, None)
    return last


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
