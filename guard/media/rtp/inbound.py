"""The receiving half of transport: one track's RTP payloads, without aiortc's decoder thread and queues."""
# ruff: noqa: SLF001 -- part of the adapter that uses aiortc's private names, see transport.ADAPTED

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from aiortc import RTCRtpTransceiver
from aiortc.codecs import is_rtx
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    pack_remb_fci,
)

from guard.core.units import Clock, Seconds
from guard.media.assembler import Codec, Kind, Packet, begins_keyframe
from guard.media.gates import StreamGate, Verdict
from guard.media.rtp.link import Link
from guard.media.rtp.outbound import SEND_TIME_URI
from guard.media.rtp.packet import Rtp
from guard.media.rtp.payload import split_payload
from guard.media.rtp.reception import Missing, Reception
from guard.media.rtp.uplink import Uplink

REPORT_INTERVAL: Seconds = 1.0
MUCH_LESS = 0.97
"""A bitrate that fell so far is told at once, any other with the next report."""

CLOCK_RATES: dict[Kind, int] = {"video": Codec.VP8.clock_rate, "audio": Codec.OPUS.clock_rate}
ORIGINAL_NUMBER = 2
"""Bytes before the payload of a retransmission (RFC 4588 section 4)."""


class SenderReport(NamedTuple):
    """When a timestamp was captured, by the sender's clock (RFC 3550 section 6.4.1)."""

    kind: Kind
    ntp_timestamp: int
    timestamp: int


class InboundTrack:
    """Stands in for aiortc's receiver of one track: reports, NACK, PLI, RTX, but no decoder and no queue.

    ``allow`` says what the peer may send, given our own estimate; bit/s, None for no limit.
    """

    def __init__(
        self,
        kind: Kind,
        transceiver: RTCRtpTransceiver,
        on_packet: Callable[[Packet], None],
        clock: Clock,
        *,
        on_report: Callable[[SenderReport], None],
        allow: Callable[[int | None], int | None],
    ) -> None:
        self.packets = 0
        self.bytes = 0
        self.dropped: Counter[str] = Counter()
        self.send_time_id: int | None = None
        """The header extension of abs-send-time, where it was agreed on and is of use: for pictures."""
        self._kind = kind
        self._transceiver = transceiver
        self._on_packet = on_packet
        self._on_report = on_report
        self._allow = allow
        self._clock = clock
        self._gate = StreamGate(self.dropped)
        self._uplink = Uplink()
        self._told_bitrate: int | None = None
        self._lost_before = 0
        self._restart_statistics()
        self._codecs: dict[int, Codec] = {}
        self._carried: dict[int, int] = {}
        """Payload types of retransmissions, to what they carry."""
        self._link: Link | None = None
        self._reports: asyncio.Task[None] | None = None
        self._asking: asyncio.TimerHandle | None = None
        self._ask_at: Seconds = 0.0

    @property
    def lost(self) -> int:
        """RTP packets that never came, nor when they were asked for."""
        return self._lost_before + self._reception.missed

    def send_pli(self) -> None:
        """Ask the peer for a keyframe (RFC 4585 section 6.3.1)."""
        if self._gate.ssrc is not None:
            self._send(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=self._own_ssrc, media_ssrc=self._gate.ssrc))

    @property
    def _own_ssrc(self) -> int:
        return self._transceiver.sender._ssrc

    def _restart_statistics(self) -> None:
        self._reception = Reception(CLOCK_RATES[self._kind])
        self._missing = Missing()
        self._sender_report: tuple[int, Seconds] | None = None

    async def receive(self, parameters: RTCRtpReceiveParameters) -> None:
        """Begin to receive; stands in for RTCRtpReceiver.receive."""
        if self._reports is not None:
            return
        self._read_codecs(parameters.codecs)
        ids = {extension.uri: extension.id for extension in parameters.headerExtensions}
        self.send_time_id = ids.get(SEND_TIME_URI) if self._kind == "video" else None
        transport = self._transceiver.receiver.transport
        transport._register_rtp_receiver(cast("Any", self), parameters)
        self._link = Link(transport, self.dropped)
        self._reports = asyncio.create_task(self._report())

    def _read_codecs(self, codecs: list[RTCRtpCodecParameters]) -> None:
        for codec in codecs:
            if is_rtx(codec):
                self._carried[codec.payloadType or 0] = int(codec.parameters.get("apt") or 0)
            else:
                self._codecs[codec.payloadType or 0] = Codec(codec.name.lower())

    async def stop(self) -> None:
        """Receive no more; stands in for RTCRtpReceiver.stop."""
        self._stop_asking()
        if self._reports is not None:
            self._transceiver.receiver.transport._unregister_rtp_receiver(cast("Any", self))
            self._link = None
            self._reports.cancel()
            await asyncio.wait([self._reports])

    def _handle_disconnect(self) -> None:
        """The peer's connection tells its own end."""

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket) and packet.ssrc == self._gate.ssrc:
            told = packet.sender_info
            self._sender_report = (told.ntp_timestamp >> 16) & 0xFFFFFFFF, self._clock()
            self._on_report(SenderReport(self._kind, told.ntp_timestamp, told.rtp_timestamp))

    def take(self, packet: Rtp) -> None:
        """Take a packet of the peer: hand it on first, then see what it tells of the way."""
        now = self._clock()
        self._admit(packet, now)
        if packet.send_time is not None and self._uplink.add(packet, packet.send_time, now):
            self._tell_if_less()

    def _admit(self, packet: Rtp, now: Seconds) -> None:
        if packet.payload_type in self._carried:
            original = self._unwrapped(packet)
            if original is not None:
                self._take(original, now, again=True)
            return
        verdict = self._gate.admit(packet.ssrc, packet.sequence_number, now)
        if verdict is Verdict.DROP:
            return
        restarts = verdict is Verdict.RESTART
        if restarts:
            self._lost_before = self.lost
            self._restart_statistics()
        self._take(packet, now, restarts=restarts)

    def _take(self, packet: Rtp, now: Seconds, *, again: bool = False, restarts: bool = False) -> None:
        self.packets += 1
        self.bytes += len(packet.payload)
        number = self._reception.heard(packet.sequence_number, packet.timestamp, now, again=again)
        if self._kind == "video" and self._missing.heard(number, now):
            self._ask_later(now)
        self._hand_on(packet, number, now, restarts=restarts)

    def _unwrapped(self, packet: Rtp) -> Rtp | None:
        """What a retransmission carries (RFC 4588 section 4), or None."""
        carried = self._carried[packet.payload_type]
        if len(packet.payload) < ORIGINAL_NUMBER or self._gate.ssrc is None or carried not in self._codecs:
            return None
        number = int.from_bytes(packet.payload[:ORIGINAL_NUMBER], "big")
        if not self._reception.remembers(number):
            self.dropped["resent"] += 1  # it would move the stream, or begin it anew
            return None
        return packet._replace(
            payload_type=carried,
            ssrc=self._gate.ssrc,
            sequence_number=number,
            payload=packet.payload[ORIGINAL_NUMBER:],
        )

    def _hand_on(self, packet: Rtp, number: int, now: Seconds, *, restarts: bool) -> None:
        codec = self._codecs[packet.payload_type]
        starts, payload = True, b""
        if packet.payload:
            try:
                starts, payload = split_payload(codec, packet.payload)
            except ValueError:
                self.dropped["malformed"] += 1
                return
        self._on_packet(
            Packet(
                codec,
                packet.sequence_number,
                packet.timestamp,
                packet.marker,
                starts,
                payload,
                now,
                restarts,
                starts and begins_keyframe(codec, payload),
                packet.payload,
                number,
            )
        )

    def _tell_if_less(self) -> None:
        """Tell the peer at once where it may send much less than it was told."""
        allowed = self._allow(self._uplink.bitrate)
        if allowed is not None and allowed < (self._told_bitrate or float("inf")) * MUCH_LESS:
            self._send(*self._reception_report(), *self._bitrate_report())

    def _bitrate_report(self) -> list[AnyRtcpPacket]:
        """What the peer may send, if that is limited (REMB, draft-alvestrand-rmcat-remb-03)."""
        allowed = self._allow(self._uplink.bitrate)
        if allowed is None or self._gate.ssrc is None or self._kind != "video":
            return []
        self._told_bitrate = allowed
        fci = pack_remb_fci(allowed, [self._gate.ssrc])
        return [RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=self._own_ssrc, media_ssrc=0, fci=fci)]

    def _reception_report(self) -> list[AnyRtcpPacket]:
        """What came and what was lost (RFC 3550 section 6.4.2)."""
        report = self._reception.report()
        if self._gate.ssrc is None or report is None:
            return []
        last_report, heard_at = self._sender_report or (0, None)
        delay = 0 if heard_at is None else int((self._clock() - heard_at) * 65536) & 0xFFFFFFFF
        block = RtcpReceiverInfo(self._gate.ssrc, *report, lsr=last_report, dlsr=delay)
        return [RtcpRrPacket(ssrc=self._own_ssrc, reports=[block])]

    def _ask_later(self, now: Seconds) -> None:
        due = self._missing.next_due()
        if due is None or (self._asking is not None and self._ask_at <= due):
            return
        self._stop_asking()
        self._ask_at = due
        self._asking = asyncio.get_running_loop().call_later(max(0.0, due - now), self._ask_again)

    def _ask_again(self) -> None:
        self._asking = None
        now = self._clock()
        lost = self._missing.due(now)
        if lost and self._gate.ssrc is not None:
            nack = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=self._own_ssrc, media_ssrc=self._gate.ssrc)
            nack.lost = sorted(lost)
            self._send(nack)
        self._ask_later(now)

    def _stop_asking(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL)
            self._send(*self._reception_report(), *self._bitrate_report())

    def _send(self, *packets: AnyRtcpPacket) -> None:
        """Send packets as one compound (RFC 3550 section 6.1)."""
        if self._link is not None and packets:
            self._link.send_rtcp(b"".join(map(bytes, packets)))
