"""Files with drawn pictures, in forms that cameras, phones and accidents make."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import numpy as np

from guard.media.frames import picture_of
from tests.support.media import drawn_frames

if TYPE_CHECKING:
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
    fps: int = 25,
    times: Iterable[float] | None = None,
    rotation: int = 0,
    container: str | None = None,
) -> Path:
    """Drawn frames at this rate, or at these times (seconds), to be shown turned by so many degrees."""
    stamps = [number / fps for number in range(count)] if times is None else list(times)
    with av.open(str(path), "w", format=container) as output:
        stream = cast("VideoStream", output.add_stream(codec, rate=fps))
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, TICKS)
        if rotation:
            stream.set_display_rotation(rotation)
        for at, frame in zip(stamps, drawn_frames(count, *size), strict=True):
            picture = picture_of(frame).reformat(format=pixels)
            picture.pts, picture.time_base = round(at * TICKS), Fraction(1, TICKS)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return path


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


def write_sound(path: Path) -> Path:
    """A tenth of a second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        sound.sample_rate = 16_000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    return path
