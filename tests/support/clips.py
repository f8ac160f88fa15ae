"""Files with drawn pictures, in forms that cameras, phones and accidents make."""

import struct
import zlib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import numpy as np

from guard.media.frames import picture_of
from tests.support.media import drawn_frames

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

TICKS = 1000
"""Ticks a second of the times in these files."""


def write_clip(
    path: Path,
    count: int,
    size: tuple[int, int] = (160, 120),
    *,
    codec: str = "mpeg4",
    pixels: str = "yuv420p",
    fps: int | Fraction = 25,
    times: Iterable[float] | None = None,
    rotation: int = 0,
    container: str | None = None,
    sound: float = 0.0,
) -> Path:
    """Drawn frames at this rate, or at these times (seconds), to be shown turned by so many degrees.

    ``sound`` adds so many seconds of silence from the beginning on.
    """
    stamps = [float(number / fps) for number in range(count)] if times is None else list(times)
    with av.open(str(path), "w", format=container) as output:
        stream = cast("VideoStream", output.add_stream(codec, rate=fps))
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, TICKS)
        if rotation:
            stream.set_display_rotation(rotation)
        if sound:
            _mux_silence(output, sound)
        for at, frame in zip(stamps, drawn_frames(count, *size), strict=True):
            picture = picture_of(frame).reformat(format=pixels)
            picture.pts, picture.time_base = round(at * TICKS), Fraction(1, TICKS)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return path


def _mux_silence(output: "OutputContainer", seconds: float) -> None:
    stream = output.add_stream("libopus", rate=48_000, layout="mono")
    quiet = av.AudioFrame.from_ndarray(np.zeros((1, round(48_000 * seconds)), np.int16), layout="mono")
    quiet.sample_rate, quiet.pts = 48_000, 0
    output.mux(stream.encode(quiet))
    output.mux(stream.encode(None))


def write_picture(path: Path) -> Path:
    """One drawn picture, 64 x 48, as JPEG or PNG."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg" if path.suffix == ".jpg" else "png", rate=1)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if path.suffix == ".jpg" else "rgb24"
        picture = picture_of(next(drawn_frames(1, 64, 48))).reformat(format=stream.pix_fmt)
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_empty_png(path: Path, width: int, height: int) -> Path:
    """A black picture, as small as it can be packed."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))
    return path


def _chunk(name: bytes, content: bytes) -> bytes:
    checked = name + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def write_sound(path: Path) -> Path:
    """A tenth of a second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        sound.sample_rate = 16_000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    return path
