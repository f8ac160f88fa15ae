"""Access units to frames and samples, in threads of their own, within the policy."""

import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeAlias, cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from guard.core.types import VideoFrame
from guard.core.units import Clock, Seconds
from guard.media.assembler import AccessUnit, Codec
from guard.media.frames import frame_of, packet_of
from guard.media.worker import UnitWorker

Samples: TypeAlias = NDArray[np.float32]
"""Mono audio, float32 (n,), -1..1."""

AUDIO_RATE = 16_000
AUDIO_QUEUE_UNITS = 50
AUDIO_GAP: Seconds = 0.03
REMEMBERED_ARRIVALS = 32
WIDEST_MARGIN = 63 * 16_384
"""Pixels that FFmpeg may count on top: it rounds the width up to 64 before it looks at its limit."""


class VideoDecoder:
    """Decodes one track in its own thread and calls ``on_frame`` there, in order.

    Policy drop-to-next-keyframe on overflow and after a unit that cannot be decoded or holds more than
    ``max_pixels``, which no codec sees where the unit announces it; ``needs_keyframe`` says that a keyframe
    should be asked for. ``dropped`` counts units by reason, ``errors`` those refused or broken.
    """

    def __init__(
        self,
        clock: Clock,
        on_frame: Callable[[VideoFrame], None],
        *,
        queue_units: int = 6,
        max_pixels: int = 1920 * 1088,
    ) -> None:
        self.frames = 0
        self.errors = 0
        self._clock = clock
        self._on_frame = on_frame
        self._max_pixels = max_pixels
        self._worker = UnitWorker("video-decoder", queue_units, self._begin)
        self._decoding = Decoding(max_pixels)
        self._oversize = False

    @property
    def needs_keyframe(self) -> bool:
        """Whether nothing can be decoded before a keyframe."""
        return self._decoding.broken or self._worker.needs_keyframe

    @property
    def dropped(self) -> Counter[str]:
        """Units dropped by reason."""
        return self._worker.dropped

    @property
    def breach(self) -> str | None:
        """What no honest sender sends, ``oversize`` or ``hang`` (of two decoders): the call should end."""
        if self._oversize or self._decoding.oversize:
            return "oversize"
        return "hang" if self._worker.given_up else None

    def put(self, unit: AccessUnit) -> None:
        """Leave a unit to be decoded; never waits. For the event loop only."""
        width, height = unit.size or (0, 0)
        if width * height > self._max_pixels:
            self._oversize = True
            self._worker.refuse("oversize")
        else:
            self._worker.put(unit)

    async def close(self) -> None:
        """End the thread and wait for it."""
        await self._worker.close()

    def _begin(self) -> Callable[[AccessUnit], None]:
        self._decoding = Decoding(self._max_pixels)
        return partial(self._decode, self._decoding)

    def _decode(self, decoding: "Decoding", unit: AccessUnit) -> None:
        pictures = decoding.decode(unit)
        if decoding is not self._decoding:  # it hung, and another goes on
            return
        self.errors += pictures is None
        for picture in pictures or ():
            frame = decoding.frame(picture, self._clock())
            self.frames += 1
            self._on_frame(frame)


class Decoding:
    """A decoder of video and what it remembers; belongs to one thread."""

    def __init__(self, max_pixels: int) -> None:
        self.broken = False
        """Whether nothing can be decoded before a keyframe."""
        self.oversize = False
        """Whether the codec itself met a picture of more than ``max_pixels``."""
        self._max_pixels = max_pixels
        self._context: tuple[Codec, VideoCodecContext] | None = None
        self._arrivals: deque[tuple[int, Seconds]] = deque(maxlen=REMEMBERED_ARRIVALS)

    def decode(self, unit: AccessUnit) -> list[av.VideoFrame] | None:
        """The pictures that a unit completes, None where it cannot be decoded."""
        if self.broken and not unit.keyframe:
            return None
        pictures: list[av.VideoFrame] | None = None
        try:
            pictures = self._decoded(unit)
        finally:
            self.broken = pictures is None
        return pictures

    def frame(self, picture: av.VideoFrame, decoded_at: Seconds) -> VideoFrame:
        """The frame, with the time at which its unit arrived."""
        ticks = picture.pts or 0
        arrived_at = next((at for pts, at in self._arrivals if pts == ticks), decoded_at)
        pts = ticks / Codec.VP8.clock_rate
        return frame_of(picture, pts=pts, arrived_at=arrived_at, decoded_at=decoded_at)

    def _decoded(self, unit: AccessUnit) -> list[av.VideoFrame] | None:
        context, packet = self._context_for(unit.codec), packet_of(unit)
        self._arrivals.append((packet.pts or 0, unit.arrived_at))
        pictures: list[av.VideoFrame] | None = None
        with suppress(av.FFmpegError):
            pictures = context.decode(packet)
        if context.coded_width * context.coded_height > self._max_pixels:
            self.oversize, pictures = True, None
        return pictures

    def _context_for(self, codec: Codec) -> VideoCodecContext:
        if self._context is None or self._context[0] is not codec:
            self._context = codec, open_video_decoder(codec, self._max_pixels)
        return self._context[1]


def open_video_decoder(codec: Codec, max_pixels: int) -> VideoCodecContext:
    """FFmpeg's native decoder, one thread, no delay: libvpx's would ignore the limit of pixels."""
    context = cast("VideoCodecContext", av.CodecContext.create(codec.value, "r"))
    context.thread_count = 1
    context.flags |= Flags.low_delay
    context.options = {"max_pixels": str(max_pixels + WIDEST_MARGIN)}
    return context


class AudioWindow:
    """The last seconds of one participant's voice, 16 kHz mono; any thread may read."""

    rate = AUDIO_RATE

    def __init__(self, span: Seconds) -> None:
        self._ring = np.zeros(max(1, round(span * AUDIO_RATE)), np.float32)
        self._written = 0
        self._ended_at: Seconds | None = None
        self._lock = threading.Lock()

    def add(self, samples: Samples, ended_at: Seconds) -> None:
        """Append samples whose last one was heard at ``ended_at`` (monotonic)."""
        samples = samples[-len(self._ring) :]
        with self._lock:
            places = (self._written + np.arange(len(samples))) % len(self._ring)
            self._ring[places] = samples
            self._written += len(samples)
            self._ended_at = ended_at

    def latest(self) -> tuple[Samples, Seconds | None]:
        """A copy of what is held, oldest first, and when it ended (None while nothing was heard)."""
        with self._lock:
            held = min(self._written, len(self._ring))
            places = (self._written - held + np.arange(held)) % len(self._ring)
            return self._ring[places], self._ended_at


class AudioDecoder:
    """Decodes Opus in its own thread into a bounded window; pauses of the sender become silence."""

    def __init__(self, window: AudioWindow) -> None:
        self.errors = 0
        self._window = window
        self._worker = UnitWorker("audio-decoder", AUDIO_QUEUE_UNITS, self._begin)
        self._voice: Voice | None = None

    @property
    def dropped(self) -> Counter[str]:
        """Units dropped by reason."""
        return self._worker.dropped

    def put(self, unit: AccessUnit) -> None:
        """Leave a unit to be decoded; never waits. For the event loop only."""
        self._worker.put(unit)

    async def close(self) -> None:
        """End the thread and wait for it."""
        await self._worker.close()

    def _begin(self) -> Callable[[AccessUnit], None]:
        self._voice = voice = Voice()
        return partial(self._decode, voice)

    def _decode(self, voice: "Voice", unit: AccessUnit) -> None:
        try:
            heard = voice.decode(unit)
        except av.FFmpegError:
            self.errors += 1
            return
        if voice is self._voice:  # else it hung, and another goes on
            self._window.add(heard, unit.arrived_at)


class Voice:
    """A decoder of Opus and how far it came; belongs to one thread."""

    def __init__(self) -> None:
        self._context = open_opus_decoder()
        self._resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
        self._next_pts: Seconds | None = None

    def decode(self, unit: AccessUnit) -> Samples:
        """What is heard in a unit, and the silence before it; raise av.FFmpegError."""
        decoded = self._context.decode(packet_of(unit))
        sounds = [sound for raw in decoded for sound in self._resampler.resample(raw)]
        samples = [sound.to_ndarray().reshape(-1).astype(np.float32, copy=False) for sound in sounds]
        heard = np.concatenate([self._silence_before(unit.pts), *samples])
        self._next_pts = unit.pts + sum(map(len, samples)) / AUDIO_RATE
        return heard

    def _silence_before(self, pts: Seconds) -> Samples:
        gap = 0.0 if self._next_pts is None else pts - self._next_pts
        return np.zeros(round(min(gap, 10.0) * AUDIO_RATE) if gap > AUDIO_GAP else 0, np.float32)


def open_opus_decoder() -> AudioCodecContext:
    """An Opus decoder, 48 kHz stereo, as WebRTC signals it (RFC 7587 section 7)."""
    context = av.CodecContext.create("libopus", "r")
    context.layout = "stereo"
    context.sample_rate = Codec.OPUS.clock_rate
    return context
