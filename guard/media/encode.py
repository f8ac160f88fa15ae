"""Frames and samples to access units, at the settings of a live call."""

from collections.abc import Sequence
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from guard.core.errors import MediaError
from guard.core.types import VideoFrame
from guard.core.units import Seconds
from guard.media.assembler import AccessUnit, Codec, read_headers
from guard.media.decode import Samples
from guard.media.frames import picture_of

ENCODERS = {Codec.VP8: "libvpx", Codec.H264: "libx264"}
KEYFRAME_SECONDS = 10
"""Longest time between keyframes that nobody asked for."""


BITS_PER_PIXEL = 0.08
LEAST_BITRATE, MOST_BITRATE = 150_000, 2_500_000


def usual_bitrate(size: tuple[int, int], fps: float) -> int:
    """Bits a second at which a face of a call looks like one."""
    return round(min(MOST_BITRATE, max(LEAST_BITRATE, size[0] * size[1] * fps * BITS_PER_PIXEL)))


def _options(codec: Codec, bitrate: int, preset: str) -> dict[str, str]:
    rate = {"minrate": str(bitrate), "maxrate": str(bitrate), "bufsize": str(bitrate)}
    if codec is Codec.VP8:
        # As WebRTC endpoints set libvpx: constant bitrate, no look-ahead, one partition.
        return {**rate, "deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0", "static-thresh": "1"}
    return {**rate, "preset": preset, "tune": "zerolatency", "profile": "baseline", "forced-idr": "1"}


class VideoEncoder:
    """Encodes frames of one size; H.264 comes out as constrained baseline with headers at every keyframe.

    ``preset`` is x264's: how much time it takes to look for what saves bits.

    Raises MediaError for a frame of another size, for odd sides in H.264, and where the encoder refuses.
    """

    def __init__(
        self,
        codec: Codec | str,
        width: int,
        height: int,
        fps: float,
        bitrate: int,
        *,
        preset: str = "veryfast",
    ) -> None:
        self.codec = Codec(codec)
        self.width = width
        self.height = height
        if self.codec is Codec.H264 and (width % 2 or height % 2):
            msg = (
                f"VideoEncoder: expected even sides for H.264, got {width} x {height}; cut one row or column"
            )
            raise MediaError(msg)
        self._context = self._open(fps, bitrate, preset)
        self._forced = True
        self._last_ticks = -1

    def force_keyframe(self) -> None:
        """Make the next picture a keyframe; any thread may ask."""
        self._forced = True

    def encode(self, frame: VideoFrame) -> list[AccessUnit]:
        """Encode one frame; the unit carries its ``pts``, and its ``decoded_at`` as ``arrived_at``."""
        if (frame.width, frame.height) != (self.width, self.height):
            msg = (
                f"VideoEncoder: expected frames of {self.width} x {self.height}, got {frame.width} x "
                f"{frame.height}; scale them first"
            )
            raise MediaError(msg)
        picture = picture_of(frame)
        # Encoders refuse time that stands still.
        self._last_ticks = max(round(frame.pts * self.codec.clock_rate), self._last_ticks + 1)
        picture.pts = self._last_ticks
        picture.time_base = Fraction(1, self.codec.clock_rate)
        forced, self._forced = self._forced, False
        picture.pict_type = PictureType.I if forced else PictureType.NONE
        try:
            packets = self._context.encode(picture)
        except av.FFmpegError as error:
            msg = f"VideoEncoder: expected {self.codec} to take the frame, got {error}"
            raise MediaError(msg) from error
        return [self._unit(bytes(packet), packet.pts or 0, frame.decoded_at) for packet in packets]

    def _unit(self, payload: bytes, ticks: int, at: Seconds) -> AccessUnit:
        keyframe, size = read_headers(self.codec, payload)
        pts = ticks / self.codec.clock_rate
        return AccessUnit(self.codec, payload, ticks & 0xFFFFFFFF, pts, keyframe, at, size)

    def _open(self, fps: float, bitrate: int, preset: str) -> VideoCodecContext:
        context = cast("VideoCodecContext", av.CodecContext.create(ENCODERS[self.codec], "w"))
        context.width = self.width
        context.height = self.height
        context.pix_fmt = "yuv420p"
        context.bit_rate = bitrate
        context.framerate = Fraction(fps).limit_denominator(1001)
        context.time_base = Fraction(1, self.codec.clock_rate)
        context.gop_size = max(1, round(fps * KEYFRAME_SECONDS))
        context.thread_count = 1
        context.options = _options(self.codec, bitrate, preset)
        return context


class AudioEncoder:
    """Encodes mono 48 kHz samples to Opus packets of 20 ms."""

    samples_per_unit = 960

    def __init__(self, bitrate: int = 32_000) -> None:
        self._context = av.CodecContext.create("libopus", "w")
        self._context.bit_rate = bitrate
        self._context.format = "flt"
        self._context.layout = "mono"
        self._context.sample_rate = Codec.OPUS.clock_rate
        self._context.options = {"application": "voip"}
        self._position = 0

    def encode(self, samples: Samples | Sequence[float], at: Seconds) -> list[AccessUnit]:
        """Encode 960 samples, float32 -1..1; what is left over behind a multiple of 960 is forgotten."""
        pcm = np.asarray(samples, np.float32)
        units: list[AccessUnit] = []
        for start in range(0, len(pcm) - self.samples_per_unit + 1, self.samples_per_unit):
            units += self._encode(pcm[start : start + self.samples_per_unit], at)
        return units

    def _encode(self, pcm: Samples, at: Seconds) -> list[AccessUnit]:
        sound = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="flt", layout="mono")
        sound.sample_rate = Codec.OPUS.clock_rate
        sound.pts = self._position
        units = []
        for packet in self._context.encode(sound):
            units.append(opus_unit(bytes(packet), self._position, at))
            self._position += self.samples_per_unit
        return units


def opus_unit(payload: bytes, position: int, at: Seconds) -> AccessUnit:
    """An Opus packet whose first sample is the ``position``-th of 48,000 a second."""
    rate = Codec.OPUS.clock_rate
    return AccessUnit(
        Codec.OPUS, payload, position & 0xFFFFFFFF, position / rate, keyframe=True, arrived_at=at
    )
