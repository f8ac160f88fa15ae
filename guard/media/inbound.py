"""The receiving half of transport: one track's RTP payloads, without aiortc's decoder thread and queues."""
# ruff: noqa: SLF001 -- part of the adapter that uses aiortc's private names, see transport.ADAPTED

import asyncio
from collections import Counter
from collections.abc import Callable

from aiortc import RTCRtpTransceiver
from aiortc.codecs import is_rtx
from aiortc.codecs.h264 import H264PayloadDescriptor
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.rate import RemoteBitrateEstimator
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtcrtpreceiver import NackGenerator, StreamStatistics
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
    RtpPacket,
    pack_remb_fci,
    unwrap_rtx,
)

from guard.core.units import Clock, Seconds
from guard.media.assembler import Codec, Kind, Packet
from guard.media.gates import StreamGate, Verdict

REPORT_INTERVAL: Seconds = 1.0
CLOCK_RATES: dict[Kind, int] = {"video": Codec.VP8.clock_rate, "audio": Codec.OPUS.clock_rate}


def _starts_unit(codec: Codec, payload: bytes) -> tuple[bool, bytes]:
    """Whether a unit may begin with this payload, and the payload without its descriptor; ValueError."""
    if codec is Codec.VP8:
        vp8, frame = VpxPayloadDescriptor.parse(payload)
        return bool(vp8.partition_start) and vp8.partition_id == 0, frame
    if codec is Codec.H264:
        h264, nal_units = H264PayloadDescriptor.parse(payload)
        return h264.first_fragment, nal_units
    return True, payload


class InboundTrack:
    """Stands in for aiortc's receiver of one track: reports, NACK, PLI, RTX, but no decoder and no queue."""

    def __init__(
        self,
        kind: Kind,
        transceiver: RTCRtpTransceiver,
        on_packet: Callable[[Packet], None],
        clock: Clock,
    ) -> None:
        self.packets = 0
        self.bytes = 0
        self.dropped: Counter[str] = Counter()
        self._kind = kind
        self._transceiver = transceiver
        self._on_packet = on_packet
        self._clock = clock
        self._gate = StreamGate(self.dropped)
        self._rate = RemoteBitrateEstimator()
        self._restart_statistics()
        self._codecs: dict[int, RTCRtpCodecParameters] = {}
        self._sender_report: tuple[int, Seconds] | None = None
        self._reports: asyncio.Task[None] | None = None

    @property
    def lost(self) -> int:
        """RTP packets that never came."""
        return self._statistics.packets_lost if self.packets else 0

    async def send_pli(self) -> None:
        """Ask the peer for a keyframe (RFC 4585 section 6.3.1)."""
        if self._gate.ssrc is not None:
            await self._send(
                RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=self._own_ssrc, media_ssrc=self._gate.ssrc)
            )

    @property
    def _own_ssrc(self) -> int:
        return self._transceiver.sender._ssrc

    def _restart_statistics(self) -> None:
        self._statistics = StreamStatistics(CLOCK_RATES[self._kind])
        self._nack = NackGenerator()

    async def receive(self, parameters: RTCRtpReceiveParameters) -> None:
        """Begin to receive; stands in for RTCRtpReceiver.receive."""
        if self._reports is None:
            self._codecs = {codec.payloadType or 0: codec for codec in parameters.codecs}
            self._transceiver.receiver.transport._register_rtp_receiver(self, parameters)
            self._reports = asyncio.create_task(self._report())

    async def stop(self) -> None:
        """Receive no more; stands in for RTCRtpReceiver.stop."""
        if self._reports is not None:
            self._transceiver.receiver.transport._unregister_rtp_receiver(self)
            self._reports.cancel()
            await asyncio.wait([self._reports])

    def _handle_disconnect(self) -> None:
        """The peer's connection tells its own end."""

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpSrPacket) and packet.ssrc == self._gate.ssrc:
            self._sender_report = (packet.sender_info.ntp_timestamp >> 16) & 0xFFFFFFFF, self._clock()

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        await self._estimate_rate(packet, arrival_time_ms)
        original = self._unwrapped(packet)
        if original is None:
            return
        now = self._clock()
        verdict = self._gate.admit(original.ssrc, original.sequence_number, now)
        if verdict is Verdict.DROP:
            return
        if verdict is Verdict.RESTART:
            self._restart_statistics()
        self.packets += 1
        self.bytes += len(original.payload)
        if original is packet:
            self._statistics.add(packet)
        if self._kind == "video" and self._nack.add(original):
            await self._send_nack(original.ssrc)
        self._hand_on(original, now, restarts=verdict is Verdict.RESTART)

    def _unwrapped(self, packet: RtpPacket) -> RtpPacket | None:
        """The packet itself, or what a retransmission carries (RFC 4588), or None for neither."""
        codec = self._codecs.get(packet.payload_type)
        if codec is None:
            self.dropped["payload_type"] += 1
            return None
        if not is_rtx(codec):
            return packet
        carried = codec.parameters.get("apt")
        if len(packet.payload) < 2 or self._gate.ssrc is None or carried not in self._codecs:  # noqa: PLR2004 -- the original number
            return None
        return unwrap_rtx(packet, payload_type=int(carried or 0), ssrc=self._gate.ssrc)

    def _hand_on(self, packet: RtpPacket, now: Seconds, *, restarts: bool) -> None:
        codec = Codec(self._codecs[packet.payload_type].name.lower())
        starts, payload = True, b""
        if packet.payload:
            try:
                starts, payload = _starts_unit(codec, packet.payload)
            except ValueError:
                self.dropped["malformed"] += 1
        marker = bool(packet.marker) or codec is Codec.OPUS
        self._on_packet(
            Packet(codec, packet.sequence_number, packet.timestamp, marker, starts, payload, now, restarts)
        )

    async def _estimate_rate(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        sent_at = packet.extensions.abs_send_time
        if sent_at is None or self._kind != "video":
            return
        estimate = self._rate.add(
            abs_send_time=sent_at,
            arrival_time_ms=arrival_time_ms,
            payload_size=len(packet.payload) + packet.padding_size,
            ssrc=packet.ssrc,
        )
        if estimate is not None:
            fci = pack_remb_fci(*estimate)
            await self._send(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=self._own_ssrc, media_ssrc=0, fci=fci))

    async def _send_nack(self, media_ssrc: int) -> None:
        nack = RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=self._own_ssrc, media_ssrc=media_ssrc)
        nack.lost = sorted(self._nack.missing)
        await self._send(nack)

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_INTERVAL)
            if self._gate.ssrc is not None and self._statistics.max_seq is not None:
                report = self._receiver_info(self._gate.ssrc, self._statistics.max_seq)
                await self._send(RtcpRrPacket(ssrc=self._own_ssrc, reports=[report]))

    def _receiver_info(self, ssrc: int, highest: int) -> RtcpReceiverInfo:
        last_report, heard_at = self._sender_report or (0, None)
        delay = 0 if heard_at is None else int((self._clock() - heard_at) * 65536) & 0xFFFFFFFF
        return RtcpReceiverInfo(
            ssrc=ssrc,
            fraction_lost=self._statistics.fraction_lost,
            packets_lost=self._statistics.packets_lost,
            highest_sequence=highest,
            jitter=self._statistics.jitter,
            lsr=last_report,
            dlsr=delay,
        )

    async def _send(self, packet: AnyRtcpPacket) -> None:
        try:
            await self._transceiver.receiver.transport._send_rtp(bytes(packet))
        except ConnectionError:
            self.dropped["feedback"] += 1
