"""Access units to frames and samples, in threads of their own, within the policy."""

import threading
from collections import Counter, deque
from collections.abc import Callable
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
from guard.media.frames import MediaPacket, frame_of, packet_of
from guard.media.worker import UnitWorker

Samples: TypeAlias = NDArray[np.float32]
"""Mono audio, float32 (n,), -1..1."""

AUDIO_RATE = 16_000
AUDIO_QUEUE_UNITS = 50
AUDIO_GAP: Seconds = 0.03
REMEMBERED_ARRIVALS = 32


class VideoDecoder:
    """Decodes one track in its own thread and calls ``on_frame`` there, in order.

    Policy drop-to-next-keyframe on overflow and after a unit that cannot be decoded or holds more than
    ``max_pixels``; ``needs_keyframe`` says that one should be asked for. ``dropped`` counts units by reason,
    ``errors`` those refused or broken.
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
        self._worker = UnitWorker("video-decoder", queue_units, self._decode)
        self._context: tuple[Codec, VideoCodecContext] | None = None
        self._arrivals: deque[tuple[int, Seconds]] = deque(maxlen=REMEMBERED_ARRIVALS)
        self._broken = False

    @property
    def needs_keyframe(self) -> bool:
        """Whether nothing can be decoded before a keyframe."""
        return self._broken or self._worker.needs_keyframe

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

    def _decode(self, unit: AccessUnit) -> None:
        if self._broken and not unit.keyframe:
            self.errors += 1
            return
        pictures: list[av.VideoFrame] | None = None
        try:
            pictures = self._context_for(unit.codec).decode(self._packet(unit))
        except av.FFmpegError:
            self.errors += 1
        finally:
            self._broken = pictures is None
        for picture in pictures or ():
            self._hand_out(picture)

    def _packet(self, unit: AccessUnit) -> MediaPacket:
        packet = packet_of(unit)
        self._arrivals.append((packet.pts or 0, unit.arrived_at))
        return packet

    def _hand_out(self, picture: av.VideoFrame) -> None:
        decoded_at = self._clock()
        ticks = picture.pts or 0
        arrived_at = next((at for pts, at in self._arrivals if pts == ticks), decoded_at)
        rate = Codec.VP8.clock_rate
        frame = frame_of(picture, pts=ticks / rate, arrived_at=arrived_at, decoded_at=decoded_at)
        self.frames += 1
        self._on_frame(frame)

    def _context_for(self, codec: Codec) -> VideoCodecContext:
        if self._context is None or self._context[0] is not codec:
            self._context = codec, open_video_decoder(codec, self._max_pixels)
        return self._context[1]


def open_video_decoder(codec: Codec, max_pixels: int) -> VideoCodecContext:
    """FFmpeg's native decoder, one thread, no delay: libvpx's would ignore the limit of pixels."""
    context = cast("VideoCodecContext", av.CodecContext.create(codec.value, "r"))
    context.thread_count = 1
    context.flags |= Flags.low_delay
    context.options = {"max_pixels": str(max_pixels)}
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
        self._worker = UnitWorker("audio-decoder", AUDIO_QUEUE_UNITS, self._decode)
        self._context: AudioCodecContext | None = None
        self._resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
        self._next_pts: Seconds | None = None

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

    def _decode(self, unit: AccessUnit) -> None:
        packet = packet_of(unit)
        if self._context is None:
            self._context = open_opus_decoder()
        try:
            decoded = [
                sound for raw in self._context.decode(packet) for sound in self._resampler.resample(raw)
            ]
        except av.FFmpegError:
            self.errors += 1
            return
        samples = [sound.to_ndarray().reshape(-1).astype(np.float32, copy=False) for sound in decoded]
        heard = np.concatenate([self._silence_before(unit.pts), *samples])
        self._next_pts = unit.pts + sum(map(len, samples)) / AUDIO_RATE
        self._window.add(heard, unit.arrived_at)

    def _silence_before(self, pts: Seconds) -> Samples:
        gap = 0.0 if self._next_pts is None else pts - self._next_pts
        return np.zeros(round(min(gap, 10.0) * AUDIO_RATE) if gap > AUDIO_GAP else 0, np.float32)


def open_opus_decoder() -> AudioCodecContext:
    """An Opus decoder, 48 kHz stereo, as WebRTC signals it (RFC 7587 section 7)."""
    context = av.CodecContext.create("libopus", "r")
    context.layout = "stereo"
    context.sample_rate = Codec.OPUS.clock_rate
    return context
