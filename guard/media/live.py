"""A camera's live stream (RTSP) to frames, opened again when it breaks off."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import av
import structlog
from av.container import InputContainer

from guard.core.errors import MediaError
from guard.core.types import VideoFrame
from guard.core.units import Clock, Seconds
from guard.media.frames import frame_of

logger = structlog.get_logger(__name__)

SCHEMES = ("rtsp", "rtsps")

OPTIONS = {
    "rtsp_transport": "tcp",  # passes NAT and loses nothing on the way
    "protocol_whitelist": "rtsp,rtp,tcp,tls",  # what a camera answers opens no file and no web page
    "analyzeduration": "1000000",  # microseconds; the default looks at five seconds before the first picture
}

OPEN_TIMEOUT: Seconds = 10.0
STOP_INTERVAL: Seconds = 0.1
"""While a stream is opened it is asked so often whether to stop."""

READ_TIMEOUT: Seconds = 5.0
"""A camera that sends nothing for so long counts as gone."""

TRIES = 5
"""Attempts in a row without a picture, then the source has ended."""

FIRST_DELAY: Seconds = 0.5
LONGEST_DELAY: Seconds = 8.0

MOST_DEVIATION: Seconds = 0.25
"""A stream whose clock is off ours by more is set anew: clocks drift, and cameras leap."""

USUAL_FPS = 25.0


def names_camera(source: str) -> bool:
    """Whether this names a live stream rather than a file."""
    return source.lower().startswith(tuple(f"{scheme}://" for scheme in SCHEMES))


def without_credentials(url: str) -> str:
    """The address as it may be shown: cameras carry their password before it, in its path or in a query."""
    try:
        parts = urlsplit(url)
    except ValueError:  # an IPv6 address that is none
        return "camera"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class CameraError(MediaError):
    """A camera cannot be opened, or broke off; ``got`` says why without its address."""

    def __init__(self, url: str, expected: str, got: str) -> None:
        super().__init__(
            f"{without_credentials(url)}: expected {expected}, got {got}; check address, password and network"
        )
        self.got = got


class Timeline:
    """From the stream's own time to ours: as regular as the stream while it keeps pace, never backwards."""

    def __init__(self) -> None:
        self._offset: Seconds | None = None
        self._newest: Seconds = 0.0

    def place(self, streamed: Seconds | None, now: Seconds) -> Seconds:
        """When a picture of the stream's time (None: it has none) that came at ``now`` is due."""
        due = now
        if streamed is not None:
            if self._offset is None or abs(streamed + self._offset - now) > MOST_DEVIATION:
                self._offset = now - streamed
            due = streamed + self._offset
        self._newest = max(self._newest, due)
        return self._newest


@dataclass(slots=True)
class LiveSource:
    """A stream that was found to hold pictures; open it with ``open_live``."""

    url: str
    width: int
    height: int
    fps: float
    """As announced; 25 where nothing is."""
    clock: Clock
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set it to end ``frames``: at once while a stream is opened, else when the camera was silent for 5 s."""
    first_delay: Seconds = FIRST_DELAY
    """Wait before the stream is opened again, doubled with each failure in a row up to 8 s."""
    reconnects: int = 0
    """How often it was tried to open the stream again."""

    def frames(self) -> Iterator[VideoFrame]:
        """Pictures as they come, ``pts`` in seconds since the call; their size may change.

        A stream that breaks off is opened again. Raises MediaError where five attempts in a row bring no
        picture.
        """
        began, timeline, failures = self.clock(), Timeline(), 0
        while not self.stopping.is_set():
            trouble = CameraError(self.url, "a stream that goes on", "its end")
            try:
                for frame in self._pictures(began, timeline):
                    failures = 0
                    yield frame
                    if self.stopping.is_set():
                        return
            except CameraError as error:
                trouble = error
            failures += 1
            if self.stopping.is_set():
                return
            if failures == TRIES:
                raise MediaError(f"{trouble} (given up after {TRIES} attempts)")
            self.reconnects += 1
            delay = min(LONGEST_DELAY, self.first_delay * 2.0 ** (failures - 1))
            logger.warning(
                "camera broke off",
                reason=trouble.got,
                again_in_s=delay,
                attempts_left=TRIES - failures,
                **{"pii.camera": without_credentials(self.url)},
            )
            self.stopping.wait(delay)

    def _pictures(self, began: Seconds, timeline: Timeline) -> Iterator[VideoFrame]:
        with _opened(self.url, self.stopping) as container:
            for picture in _decoded(self.url, container):
                now = self.clock()
                pts = timeline.place(picture.time, now - began)
                yield frame_of(picture, pts=pts, arrived_at=now, decoded_at=now)


def open_live(url: str, clock: Clock, stopping: threading.Event | None = None) -> LiveSource:
    """Look at a camera until its first picture; raise MediaError where none comes, or ``stopping`` is set.

    Blocks for seconds. ``stopping`` is that of the source, too.
    """
    stopping = stopping or threading.Event()
    with _opened(url, stopping) as container:
        picture = next(_decoded(url, container), None)
        if picture is None:
            raise CameraError(url, "at least one picture", "none")
        rate = container.streams.video[0].average_rate
    return LiveSource(url, picture.width, picture.height, float(rate or USUAL_FPS), clock, stopping)


def _opened(url: str, stopping: threading.Event) -> InputContainer:
    """The stream, opened in a thread that is left to its time-out when we are to stop: FFmpeg cannot be."""
    opening: Future[InputContainer] = Future()
    threading.Thread(target=_open, args=(url, opening), name="camera-open", daemon=True).start()
    while not stopping.is_set():
        with suppress(TimeoutError):
            return opening.result(STOP_INTERVAL)
    opening.add_done_callback(_close_late)
    raise CameraError(url, "time to open it", "told to stop")


def _open(url: str, opening: "Future[InputContainer]") -> None:
    try:
        container = av.open(url, options=OPTIONS, timeout=(OPEN_TIMEOUT, READ_TIMEOUT))
    except (OSError, ValueError, av.FFmpegError) as error:
        # the error's own text repeats the address with its password
        opening.set_exception(CameraError(url, "a camera that answers", _reason(error)))
    else:
        opening.set_result(container)


def _close_late(opening: "Future[InputContainer]") -> None:
    if opening.exception() is None:
        opening.result().close()


def _decoded(url: str, container: InputContainer) -> Iterator[av.VideoFrame]:
    if not container.streams.video:
        raise CameraError(url, "a video track", "none")
    stream = container.streams.video[0]
    stream.thread_count = 1
    try:
        yield from container.decode(stream)
    except av.FFmpegError as error:
        raise CameraError(url, "a stream that goes on", _reason(error)) from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
