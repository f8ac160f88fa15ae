"""The relay that touches nothing but headers: a packet in, the same one out to every subscriber at once."""

import random
from collections import Counter, deque
from collections.abc import Callable

from guard.core.units import Clock, Seconds
from guard.core.windows import Bucket
from guard.media.assembler import Codec, Kind, Packet
from guard.media.forwarder import LATENCY_SAMPLES, Forwarder, no_keyframe_wanted
from guard.media.rtp.history import History
from guard.media.rtp.inbound import SenderReport
from guard.media.rtp.outbound import RESENDS_AT_ONCE, RESENDS_PER_SECOND, Feedback, OutboundTrack
from guard.media.rtp.rewrite import Rewrite
from guard.media.signalling import OPUS, Format
from guard.media.transport import Peer

FIRST_NUMBERS = 1 << 15
"""We begin below: then nothing lost before the first wrap confuses SRTP (RFC 3711 section 3.3.1)."""

RESENDS_ASKED_FOR = 256
"""Of one NACK so many numbers are looked at."""

SENT_PER_SECOND = 50_000.0
"""Packets of one publisher, all subscribers together; each costs some 10 us of the one event loop."""

MAX_PAYLOAD = 1330
"""With our headers and SRTP's trailer no larger one fits; browsers send 1,200 bytes at most."""

REPORT_INTERVAL: Seconds = 0.5
BITRATE_LIFE: Seconds = 5.0
"""What a receiver said of its bitrate holds for so long."""


class Strand:
    """One stream to one subscriber."""

    def __init__(self, history: History, codec: Codec, clock: Clock, dropped: Counter[str]) -> None:
        self.sent = 0
        """Pictures, by their marked packets."""
        self.waits = False
        """Whether it can send and waits for a keyframe."""
        self._history = history
        self._clock = clock
        self._dropped = dropped
        self._track: OutboundTrack | None = None
        self._rewrite = Rewrite(random.randrange(1, FIRST_NUMBERS), codec.clock_rate)  # noqa: S311 -- no secret
        self._begun = False
        self._report: SenderReport | None = None
        self._resends = Bucket(RESENDS_PER_SECOND, RESENDS_AT_ONCE)

    def open(self, track: OutboundTrack) -> None:
        """Send over this track, from the next packet on at which one can begin."""
        self._track, self.waits = track, True

    def close(self) -> None:
        """Send nothing more."""
        self._track, self.waits = None, False

    def forward(self, packet: Packet) -> None:
        """Send a packet at once, or drop it."""
        track = self._track
        if track is None:
            return
        if self.waits or packet.restarts:
            # Pictures refer to those before them, also those of a stream that begins anew.
            if packet.restarts:
                self._report = None  # it told of the stream before
            self.waits = not packet.keyframe
            if self.waits:
                self._dropped["no_keyframe"] += 1
                return
            self._begin(packet)
        elif packet.number < self._rewrite.base:
            return
        place, timestamp = self._rewrite.place(packet.number, packet.timestamp, packet.arrived_at)
        sent = track.write(place, timestamp, packet.rtp_payload, packet.arrived_at, marker=packet.marker)
        self.sent += sent and packet.marker

    def _begin(self, packet: Packet) -> None:
        self._begun = True
        self._rewrite.begin(packet.number, packet.timestamp, packet.arrived_at)
        if self._report is not None:
            self.report(self._report)

    def resend(self, sequence_numbers: list[int]) -> None:
        """Send again what the receiver misses, if it is still there; so many a second."""
        now, track = self._clock(), self._track
        if track is None or not self._begun:
            return
        for place in sequence_numbers[:RESENDS_ASKED_FOR]:
            number = self._rewrite.original(place)
            packet = self._history.get(number)
            if packet is None or number < self._rewrite.base:
                self._dropped["not_kept"] += 1
            elif not self._resends.take(1, now):
                self._dropped["resends"] += 1
            else:
                timestamp = self._rewrite.timestamp(packet.timestamp)
                track.write_again(
                    place,
                    timestamp,
                    packet.rtp_payload,
                    first_sent_at=packet.arrived_at,
                    now=now,
                    marker=packet.marker,
                )

    def report(self, report: SenderReport) -> None:
        """Hand on what the publisher says of its clock, in our timestamps, once something has been sent."""
        self._report = report
        if self._track is not None and self._begun:
            self._track.report(report.ntp_timestamp, self._rewrite.timestamp(report.timestamp))


class PacketLeg:
    """One subscriber's streams."""

    def __init__(self, strands: dict[Kind, Strand], dropped: Counter[str]) -> None:
        self.strands = strands
        self.dropped = dropped
        """Packets not sent, by reason."""
        self._bitrate: tuple[int, Seconds] | None = None

    @property
    def needs_keyframe(self) -> bool:
        """Whether the subscriber sees nothing before the next keyframe."""
        return self.strands["video"].waits

    @property
    def sent(self) -> int:
        """Pictures sent."""
        return self.strands["video"].sent

    def hear_bitrate(self, bitrate: int, now: Seconds) -> None:
        """Keep what the subscriber says that it can take, bit/s."""
        self._bitrate = bitrate, now

    def bitrate(self, now: Seconds) -> int | None:
        """What the subscriber says that it can take, bit/s; None where it said nothing lately."""
        if self._bitrate is None or now - self._bitrate[1] > BITRATE_LIFE:
            return None
        return self._bitrate[0]

    def close(self) -> None:
        """Send nothing more."""
        for strand in self.strands.values():
            strand.close()


class PacketForwarder(Forwarder[PacketLeg]):
    """Forwards packets with sequence number, timestamp, SSRC and payload type of each subscriber's own.

    Gaps stay gaps, so that a subscriber asks for what is missing: that comes from the last packets kept here.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._histories: dict[Kind, History] = {"video": History(), "audio": History()}
        self._reports: dict[Kind, tuple[SenderReport, Seconds]] = {}
        self._outgoing = Bucket(SENT_PER_SECOND, SENT_PER_SECOND / 2)
        self._dropped_to_all: Counter[str] = Counter()
        self._delays: deque[Seconds] = deque(maxlen=LATENCY_SAMPLES)

    def forward_packet(self, packet: Packet) -> bool:
        """Send a packet to every subscriber at once; return False for one that none of them can be sent.

        Those are packets too large for SRTP, more than one node can send, and a second one under a number.
        """
        kind: Kind = "audio" if packet.codec is Codec.OPUS else "video"
        history = self._histories[kind]
        if packet.restarts:
            history.clear()
            self._reports.pop(kind, None)
        if len(packet.rtp_payload) > MAX_PAYLOAD:
            return self._drop("oversize")
        if not self._outgoing.take(len(self._legs), packet.arrived_at):
            return self._drop("fan_out")
        # Two packets under one number would be protected with one key stream (RFC 3711 section 9.1).
        if not history.put(packet):
            return self._drop("again")
        for leg in self._legs:
            if (strand := leg.strands.get(kind)) is not None:
                strand.forward(packet)
        if packet.marker and kind == "video" and self._legs:
            self._delays.append(self._clock() - packet.arrived_at)
        return True

    def _drop(self, reason: str) -> bool:
        self._dropped_to_all[reason] += 1
        return False

    def dropped(self) -> Counter[str]:
        """Packets not sent by reason, all subscribers together, and those that went to none of them."""
        return super().dropped() + self._dropped_to_all

    def delays(self) -> list[Seconds]:
        """Seconds from arrival to sent, to all subscribers, of the last pictures, unsorted."""
        return list(self._delays)

    def forward_report(self, report: SenderReport) -> None:
        """Hand a report on, so that each subscriber plays sound and pictures together; not too often."""
        now = self._clock()
        last = self._reports.get(report.kind)
        if last is not None and now - last[1] < REPORT_INTERVAL:
            return
        self._reports[report.kind] = report, now
        for leg in self._legs:
            if (strand := leg.strands.get(report.kind)) is not None:
                strand.report(report)

    def _open_leg(
        self, peer: Peer, video: Format, *, audio: bool, on_keyframe_wanted: Callable[[], None]
    ) -> PacketLeg:
        leg = PacketLeg({}, Counter())
        self._open_strand(leg, peer, video, on_keyframe_wanted)
        if audio:
            self._open_strand(leg, peer, OPUS, no_keyframe_wanted)
        return leg

    def _open_strand(
        self, leg: PacketLeg, peer: Peer, format_: Format, on_keyframe_wanted: Callable[[], None]
    ) -> None:
        kind = format_.codec.kind
        strand = Strand(self._histories[kind], format_.codec, self._clock, leg.dropped)

        def connected() -> None:
            strand.open(track)
            on_keyframe_wanted()

        def hear_bitrate(bitrate: int) -> None:
            leg.hear_bitrate(bitrate, self._clock())

        feedback = Feedback(connected, on_keyframe_wanted, strand.resend, hear_bitrate)
        track = peer.send_packets(format_, feedback, leg.dropped)
        leg.strands[kind] = strand
        if (last := self._reports.get(kind)) is not None:
            strand.report(last[0])
