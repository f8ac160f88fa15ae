"""The relay that decodes and encodes again: what subscribers get was made here, whatever came from where."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from guard.config import MediaSettings
from guard.core.types import VideoFrame
from guard.core.units import Clock, Seconds
from guard.flow.mailbox import Closed, Mailbox
from guard.media.assembler import AccessUnit, Codec
from guard.media.encode import VideoEncoder, usual_bitrate
from guard.media.forwarder import UnitForwarder, UnitLeg
from guard.media.keyframes import KeyframeRequests
from guard.media.signalling import Format
from guard.media.transport import Peer
from guard.media.worker import LOG_INTERVAL, Thread, attempt

logger = structlog.get_logger(__name__)

FPS = 30.0
"""What the encoder plans its bits for; the frames' own times count."""

PRESET = "ultrafast"
"""Of x264: half the time of the next, for a tenth more bits."""


class Transcoder:
    """Encodes frames in a thread of its own, started at once; each unit is handed over on the event loop.

    Policy drop-oldest: one frame waits, a newer one replaces it. The next is taken when the loop has taken
    the unit before. ``dropped`` counts frames by reason: ``overflow``, and ``crash`` for those that could not
    be encoded. A frame of another size begins with a keyframe.
    """

    def __init__(self, codec: Codec, on_unit: Callable[[AccessUnit], None]) -> None:
        self._codec = codec
        self._on_unit = on_unit
        self._frames: Mailbox[VideoFrame] = Mailbox(1)
        self._encoder: VideoEncoder | None = None
        self._crashes = 0
        self._next_log: Seconds = 0.0
        self._taken = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = Thread("video-encoder", self._run)

    @property
    def dropped(self) -> Counter[str]:
        """Frames dropped by reason."""
        return Counter(overflow=self._frames.dropped, crash=self._crashes)

    def put(self, frame: VideoFrame) -> None:
        """Leave a frame; any thread may."""
        self._frames.put(frame)

    def force_keyframe(self) -> None:
        """Make the next picture a keyframe."""
        if (encoder := self._encoder) is not None:  # a new one begins with a keyframe anyway
            encoder.force_keyframe()

    async def close(self) -> None:
        """End the thread after the frame in hand, and wait for it."""
        self._frames.close()
        await self._thread.wait()

    def _run(self) -> None:
        while True:
            try:
                frame = self._frames.get()
            except Closed:
                return
            if frame is not None and (error := attempt(partial(self._transcode, frame))) is not None:
                self._note_crash(error, frame.decoded_at)

    def _transcode(self, frame: VideoFrame) -> None:
        if self._codec is Codec.H264:
            frame = even(frame)
        for unit in self._encoder_for(frame).encode(frame):
            self._hand_over(replace(unit, arrived_at=frame.arrived_at))

    def _encoder_for(self, frame: VideoFrame) -> VideoEncoder:
        size = frame.width, frame.height
        if self._encoder is None or (self._encoder.width, self._encoder.height) != size:
            bitrate = usual_bitrate(size, FPS)
            self._encoder = VideoEncoder(self._codec, *size, FPS, bitrate, preset=PRESET)
        return self._encoder

    def _hand_over(self, unit: AccessUnit) -> None:
        self._taken.clear()
        self._loop.call_soon_threadsafe(self._take, unit)
        self._taken.wait()

    def _take(self, unit: AccessUnit) -> None:
        self._taken.set()
        self._on_unit(unit)

    def _note_crash(self, error: Exception, now: Seconds) -> None:
        self._encoder = None
        self._crashes += 1
        if now >= self._next_log:
            self._next_log = now + LOG_INTERVAL
            logger.error("frame not encoded", codec=self._codec, lost=self._crashes, exc_info=error)


def even(frame: VideoFrame) -> VideoFrame:
    """The frame without its last row and column where their number is odd, which H.264 cannot be."""
    width, height = frame.width // 2 * 2, frame.height // 2 * 2
    if (width, height) == (frame.width, frame.height):
        return frame
    chroma = slice(height // 2), slice(width // 2)
    return replace(frame, y=frame.y[:height, :width], u=frame.u[chroma], v=frame.v[chroma])


class TranscodeForwarder(UnitForwarder):
    """Forwards pictures that were encoded here, once for all subscribers; sound as it came.

    A subscriber who needs a keyframe gets one of ours, at most one each ``media.keyframe_interval_s`` and one
    a second on average; the publisher hears nothing of it. While there are no subscribers nothing is encoded.
    """

    def __init__(self, settings: MediaSettings, clock: Clock) -> None:
        super().__init__(settings.forward_queue_units, clock)
        self._keyframes = KeyframeRequests(settings.keyframe_interval_s)
        self._transcoder: Transcoder | None = None

    def forward_unit(self, unit: AccessUnit) -> None:
        """Leave sound in every subscriber's queue."""
        if unit.codec.kind == "audio":
            super().forward_unit(unit)

    def forward_frame(self, frame: VideoFrame) -> None:
        """Have a picture encoded if somebody sees it; for the decoder's thread."""
        if self._transcoder is not None and self._legs:
            self._transcoder.put(frame)

    def needs_keyframe(self) -> bool:
        """Never: subscribers get keyframes of ours."""
        return False

    def dropped(self) -> Counter[str]:
        """What was not sent by reason, all subscribers together; before encoding as ``encode_…``."""
        encoding = self._transcoder.dropped if self._transcoder is not None else Counter[str]()
        return super().dropped() + Counter({f"encode_{why}": count for why, count in encoding.items()})

    async def close(self) -> None:
        """End the encoder's thread, and wait for it."""
        if self._transcoder is not None:
            await self._transcoder.close()

    def _open_leg(
        self, peer: Peer, video: Format, *, audio: bool, on_keyframe_wanted: Callable[[], None]
    ) -> UnitLeg:
        del on_keyframe_wanted  # the publisher's
        if self._transcoder is None:
            self._transcoder = Transcoder(video.codec, self._forward_picture)
        return super()._open_leg(peer, video, audio=audio, on_keyframe_wanted=self._want_keyframe)

    def _want_keyframe(self) -> None:
        self._keyframes.want()
        self._force_if_due()

    def _forward_picture(self, unit: AccessUnit) -> None:
        super().forward_unit(unit)
        if any(leg.needs_keyframe for leg in self._legs):
            self._keyframes.want()
        elif unit.keyframe:
            self._keyframes.arrived()
        self._force_if_due()

    def _force_if_due(self) -> None:
        if self._transcoder is not None and self._keyframes.due(self._clock()):
            self._transcoder.force_keyframe()
