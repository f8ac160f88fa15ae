"""Everything about one publisher: its call, its subscribers, its decoders, and why it ended."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from guard.config import IceSettings, MediaSettings
from guard.core.errors import MediaError, NotFoundError, SignallingError, UnsupportedCodec
from guard.core.types import VideoFrame
from guard.core.units import Clock, ParticipantId, Seconds
from guard.core.windows import Pace
from guard.media.assembler import AccessUnit, Assembler, Codec, Packet, read_headers
from guard.media.call import Call, settle
from guard.media.decode import AudioDecoder, AudioWindow, VideoDecoder
from guard.media.forwarder import Forwarder, Leg
from guard.media.gates import Limits
from guard.media.keyframes import KeyframeRequests
from guard.media.offers import take_offer
from guard.media.relays.opening import open_forwarder
from guard.media.signalling import OPUS, Format, Offer
from guard.telemetry.stamps import percentile

if TYPE_CHECKING:
    from guard.media.rtp.inbound import InboundTrack

AUDIO_WINDOW_PACKETS = 8
AUDIO_HOLD: Seconds = 0.06


@dataclass(frozen=True, slots=True)
class PublicationStats:
    """What passed through one publication since it began."""

    codec: Codec | None
    """None before the offer."""
    width: int
    height: int
    """Size of the last frame decoded, 0 before it."""
    units: int
    """Video access units received whole; 0 where nothing is decoded."""
    bytes: int
    """RTP payload bytes of video."""
    fps: float
    """Access units a second, over the last two seconds."""
    lost_packets: int
    """Of video, that never came, nor when they were asked for."""
    subscribers: int
    forwarded: int
    """Video units sent, all subscribers together."""
    decoded: int
    decode_errors: int
    keyframe_requests: int
    dropped: dict[str, int]
    """By place and reason, such as ``assemble.gap`` or ``decode.overflow``."""
    forward_ms: tuple[float, float] | None
    """p50 and p95 from a unit's last packet in to its last packet out; None while nothing was sent."""


class Subscription:
    """One subscriber of a publication."""

    def __init__(
        self,
        sid: str,
        ice: IceSettings,
        clock: Clock,
        forwarder: Forwarder[Any],
        on_ended: Callable[["Subscription", str], None],
        *,
        limits: Limits,
    ) -> None:
        self.sid = sid
        self._call = Call(sid, ice, clock, self._finish, limits=limits)
        self._forwarder = forwarder
        self._on_ended = on_ended
        self._leg: Leg | None = None

    async def answer(self, offer: Offer, video: Format, source: "Publication") -> str:
        """Attach to the publisher's tracks and answer; what fails leaves nothing behind."""
        audio = offer.audio and source.has_audio
        self._leg = self._forwarder.attach(
            self._call.peer, video, audio=audio, on_keyframe_wanted=source.request_keyframe
        )
        if offer.audio and not audio:
            self._call.peer.decline("audio")
        answer: str | None = None
        try:
            answer = await self._call.answer(offer)
        finally:
            if answer is None:
                self._forwarder.detach(self._leg)
        return answer

    async def add_candidates(self, fragment: str | bytes) -> None:
        """Take trickled candidates; raise SignallingError."""
        await self._call.add_candidates(fragment)

    async def close(self, reason: str = "left") -> None:
        """End the subscription; calling it twice is harmless."""
        await self._call.close(reason)

    async def _finish(self, reason: str) -> None:
        try:
            if self._leg is not None:
                self._forwarder.detach(self._leg)
        finally:
            self._on_ended(self, reason)


class Publication:
    """One publisher: relays it to its subscribers and decodes it beside that.

    ``on_frame`` is called in the decoder's thread; with None nothing is decoded. ``on_closed`` is called once
    on the event loop, after everything has ended, with ``left``, ``ice_failed``, ``connect_timeout``,
    ``idle``, ``frame_policy``, ``flood`` or what close() was given. All methods belong to the event loop.
    """

    def __init__(  # noqa: PLR0917 -- called once, by the session floor
        self,
        pid: ParticipantId,
        media: MediaSettings,
        ice: IceSettings,
        clock: Clock,
        on_frame: Callable[[VideoFrame], None] | None,
        on_closed: Callable[[str], None],
    ) -> None:
        self.pid = pid
        self.audio = AudioWindow(media.audio_window_s)
        self.has_audio = False
        self._media = media
        self._ice = ice
        self._clock = clock
        self._on_frame = on_frame
        self._taps = on_frame is not None or media.relay != "rtp"
        self._on_closed = on_closed
        self._limits = Limits(media.packets_per_s, media.bytes_per_s)
        self._call = Call(pid, ice, clock, self._finish, self._idle, limits=self._limits)
        self._format: Format | None = None
        self._video_track: InboundTrack | None = None
        self._audio_track: InboundTrack | None = None
        self._video = Assembler(Codec.VP8, max_bytes=media.max_access_unit_bytes)
        self._voice = Assembler(Codec.OPUS, window=AUDIO_WINDOW_PACKETS, hold=AUDIO_HOLD)
        self._keyframes = KeyframeRequests(media.keyframe_interval_s)
        self._forwarder = open_forwarder(media, clock)
        self._video_decoder = VideoDecoder(
            clock,
            self._take_frame,
            queue_units=media.decode_queue_units,
            max_pixels=media.max_pixels,
        )
        self._audio_decoder = AudioDecoder(self.audio)
        self._subscriptions: set[Subscription] = set()
        self._numbers = count(1)
        self._heard_at = clock()
        self._pace = Pace()
        self._units = 0
        self._size = (0, 0)

    async def answer(self, offer_sdp: str | bytes) -> str:
        """Take the publisher's offer once, return our answer.

        Raises SignallingError or UnsupportedCodec for the offer, then ``on_closed`` is not called; and
        NotFoundError where close() was called meanwhile, then it has been called.
        """
        if self._format is not None or self._call.ended:
            msg = f"publication {self.pid}: expected its first offer, got another; make a new publication"
            raise SignallingError(msg)
        offer = await self._call.take_offer(offer_sdp, "publish")
        self._format = offer.video[0]
        self.has_audio = offer.audio
        self._video = Assembler(self._format.codec, max_bytes=self._media.max_access_unit_bytes)
        on_report = self._forwarder.forward_report
        self._video_track = self._call.peer.receive(
            "video", (self._format,), self._on_video_packet, on_report=on_report, allow=self._allow
        )
        if offer.audio:
            self._audio_track = self._call.peer.receive(
                "audio", (OPUS,), self._on_audio_packet, on_report=on_report
            )
        return await self._call.answer(offer)

    async def add_candidates(self, fragment: str | bytes) -> None:
        """Take the publisher's trickled candidates; raise SignallingError."""
        await self._call.add_candidates(fragment)

    async def subscribe(
        self, offer_sdp: str | bytes, on_closed: Callable[[str], None]
    ) -> tuple[Subscription, str]:
        """Take a subscriber's offer, return the subscription and our answer.

        Raises SignallingError, UnsupportedCodec without the publisher's codec, NotFoundError once the
        publication has ended. ``on_closed`` is called once for a subscription that began: also before the
        NotFoundError of a publication that ends while it answers, but for no other error.
        """
        offer = await take_offer(offer_sdp, "subscribe")
        if self._format is None or self._call.ended:
            raise NotFoundError(self._ended_text())
        if self._format not in offer.video:
            raise UnsupportedCodec(_codec_text(self._format, offer.video))

        def ended(subscription: Subscription, reason: str) -> None:
            self._subscriptions.discard(subscription)
            on_closed(reason)

        sid = f"{self.pid}-{next(self._numbers)}"
        subscription = Subscription(sid, self._ice, self._clock, self._forwarder, ended, limits=self._limits)
        self._subscriptions.add(subscription)
        answer: str | None = None
        try:
            answer = await subscription.answer(offer, self._format, self)
        finally:
            if answer is None:
                self._subscriptions.discard(subscription)
        if self._call.ended:
            await subscription.close("publication_ended")
            raise NotFoundError(self._ended_text())
        return subscription, answer

    def request_keyframe(self) -> None:
        """Ask the publisher for a keyframe, merged with what others ask for."""
        self._keyframes.want()
        self._ask_if_due(self._clock())

    @property
    def units(self) -> int:
        """Video access units received whole; any thread may ask."""
        return self._units

    def stats(self) -> PublicationStats:
        """What passed so far."""
        track = self._video_track
        return PublicationStats(
            codec=self._format.codec if self._format else None,
            width=self._size[0],
            height=self._size[1],
            units=self._units,
            bytes=track.bytes if track else 0,
            fps=self._pace.rate(self._clock()),
            lost_packets=track.lost if track else 0,
            subscribers=len(self._subscriptions),
            forwarded=self._forwarder.sent(),
            decoded=self._video_decoder.frames,
            decode_errors=self._video_decoder.errors,
            keyframe_requests=self._keyframes.sent,
            dropped=self._dropped(),
            forward_ms=self._forward_ms(),
        )

    async def close(self, reason: str = "left") -> None:
        """End the publication and its subscriptions, wait for all of it; calling it twice is harmless."""
        await self._call.close(reason)

    def _ended_text(self) -> str:
        return f"subscribe: expected a publication that runs, got {self.pid}, which does not; ask for another"

    def _on_video_packet(self, packet: Packet) -> None:
        self._heard_at = packet.arrived_at
        if self._call.ended:
            return
        try:
            if packet.keyframe:
                self._check_begin(packet)
                self._keyframes.begun(packet.arrived_at)
            # What comes too late to be judged is shown to nobody, and the other way round.
            if self._taps and not self._video.takes(packet):
                self._video.push(packet)  # which counts it
            elif self._forwarder.forward_packet(packet) and self._taps:
                for unit in self._video.push(packet):
                    self._take_unit(unit)
        except MediaError:
            self._call.end("frame_policy")
            return
        if self._video.needs_keyframe or (packet.restarts and self._forwarder.needs_keyframe()):
            self._keyframes.want()
        elif packet.keyframe and not self._taps:
            self._keyframes.arrived()
        if self._keyframes.wanted:
            self._ask_if_due(packet.arrived_at)

    def _check_begin(self, packet: Packet) -> None:
        """Raise MediaError for a picture too large, before anybody is sent it."""
        size = read_headers(packet.codec, packet.payload).size
        if size is None:
            msg = "picture: expected its size in the first packet of a keyframe, got none"
            raise MediaError(msg)
        self._check_size(size)

    def _check_size(self, size: tuple[int, int] | None) -> None:
        width, height = size or (0, 0)
        if width * height > self._media.max_pixels:
            msg = f"picture: expected at most {self._media.max_pixels} pixels, got {width}x{height}"
            raise MediaError(msg)

    def _take_unit(self, unit: AccessUnit) -> None:
        self._check_size(unit.size)
        self._units += 1
        self._pace.add(unit.arrived_at)
        self._forwarder.forward_unit(unit)
        self._video_decoder.put(unit)
        if self._video_decoder.breach:
            self._call.end("frame_policy")
        if unit.keyframe:
            self._keyframes.arrived()
        if self._forwarder.needs_keyframe() or self._video_decoder.needs_keyframe:
            self._keyframes.want()

    def _on_audio_packet(self, packet: Packet) -> None:
        self._heard_at = packet.arrived_at
        if self._forwarder.forward_packet(packet) and self._taps:
            for unit in self._voice.push(packet):
                self._forwarder.forward_unit(unit)
                self._audio_decoder.put(unit)

    def _allow(self, estimate: int | None) -> int:
        """What the publisher is told to send at most, bit/s: what the slowest subscriber can take."""
        told = (estimate, self._forwarder.bitrate(self._clock()))
        slowest = min((rate for rate in told if rate is not None), default=self._media.max_bitrate)
        return min(self._media.max_bitrate, max(self._media.min_bitrate, slowest))

    def _ask_if_due(self, now: Seconds) -> None:
        if self._video_track is not None and self._video_track.packets and self._keyframes.due(now):
            self._video_track.send_pli()

    def _take_frame(self, frame: VideoFrame) -> None:
        self._size = (frame.width, frame.height)
        self._forwarder.forward_frame(frame)
        if self._on_frame is not None:
            self._on_frame(frame)

    def _idle(self, now: Seconds) -> str | None:
        return "idle" if now - self._heard_at >= self._media.idle_timeout_s else None

    async def _finish(self, reason: str) -> None:
        subscribers = [subscription.close("publication_ended") for subscription in self._subscriptions]
        decoders = self._video_decoder.close(), self._audio_decoder.close()
        await settle(*subscribers, *decoders, self._forwarder.close())
        self._on_closed(reason)

    def _forward_ms(self) -> tuple[float, float] | None:
        delays = sorted(self._forwarder.delays())
        return (percentile(delays, 0.50) * 1e3, percentile(delays, 0.95) * 1e3) if delays else None

    def _dropped(self) -> dict[str, int]:
        places = {
            "datagram": self._call.peer.dropped,
            "fault": self._call.peer.faults,
            "receive": self._video_track.dropped if self._video_track else Counter[str](),
            "receive_audio": self._audio_track.dropped if self._audio_track else Counter[str](),
            "assemble": self._video.discarded,
            "assemble_audio": self._voice.discarded,
            "forward": self._forwarder.dropped(),
            "decode": self._video_decoder.dropped,
            "decode_audio": self._audio_decoder.dropped,
        }
        return {f"{place}.{why}": n for place, reasons in places.items() for why, n in reasons.items() if n}


def _codec_text(wanted: Format, offered: tuple[Format, ...]) -> str:
    got = ", ".join(" ".join(filter(None, (found.codec, found.profile))) for found in offered)
    want = " ".join(filter(None, (wanted.codec, wanted.profile)))
    return f"subscriber's offer: expected the publisher's codec {want}, got {got}; offer it too"
