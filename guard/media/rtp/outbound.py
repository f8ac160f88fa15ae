"""The sending half of transport: one track's packets with headers of our own, without aiortc's sender."""
# ruff: noqa: SLF001 -- part of the adapter that uses aiortc's private names, see transport.ADAPTED

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from aiortc import RTCRtpTransceiver
from aiortc.codecs import is_rtx
from aiortc.rtcrtpparameters import RTCRtpSendParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    unpack_remb_fci,
)

from guard.core.units import Seconds
from guard.media.rtp.link import Link
from guard.media.rtp.packet import HeaderWriter, send_time

SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
RESENDS_PER_SECOND = 500.0
RESENDS_AT_ONCE = 250.0
"""So many packets are sent again to one subscriber, whatever it asks for."""

CNAME = 1
"""The item of a source description that binds the streams of one sender (RFC 3550 section 6.5.1)."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """Who hears what a receiver says; all on the event loop."""

    connected: Callable[[], None]
    """Packets can be sent from now on."""
    keyframe_wanted: Callable[[], None]
    """PLI or FIR."""
    missing: Callable[[list[int]], None]
    """NACK: our sequence numbers."""
    bitrate: Callable[[int], None]
    """REMB: bit/s."""


class OutboundTrack:
    """Stands in for aiortc's sender of one track; its owner gives each packet its number and timestamp."""

    def __init__(self, transceiver: RTCRtpTransceiver, feedback: Feedback, dropped: Counter[str]) -> None:
        self.packets = 0
        self.bytes = 0
        self._sender = transceiver.sender
        self._ssrc = self._sender._ssrc
        self._feedback = feedback
        self._dropped = dropped
        self._link: Link | None = None
        self._cname = ""
        self._header = HeaderWriter(0, 0)
        self._resend_header: HeaderWriter | None = None
        self._resend_number = 0

    async def send(self, parameters: RTCRtpSendParameters) -> None:
        """Begin to send; stands in for RTCRtpSender.send."""
        if self._link is not None:
            return
        chosen = parameters.codecs[0].payloadType
        ids = {extension.uri: extension.id for extension in parameters.headerExtensions}
        stamp = ids.get(SEND_TIME_URI)
        self._header = HeaderWriter(int(chosen or 0), self._ssrc, stamp)
        for codec in parameters.codecs:
            if is_rtx(codec) and codec.parameters.get("apt") == chosen:
                self._resend_header = HeaderWriter(int(codec.payloadType or 0), self._sender._rtx_ssrc, stamp)
        self._cname = parameters.rtcp.cname or ""
        self._sender.transport._register_rtp_sender(self, parameters)
        self._link = Link(self._sender.transport, self._dropped)
        self._feedback.connected()

    async def stop(self) -> None:
        """Send no more, and say so; stands in for RTCRtpSender.stop."""
        if self._link is not None:
            self._sender.transport._unregister_rtp_sender(self)
            self._link.send_rtcp(bytes(RtcpByePacket(sources=[self._ssrc])))
            self._link = None

    def write(
        self, sequence_number: int, timestamp: int, payload: bytes, now: Seconds, *, marker: bool
    ) -> bool:
        """Send a packet at once; return whether it went."""
        if self._link is None:
            return False
        header = self._header(sequence_number, timestamp, send_time(now), marker=marker)
        sent = self._link.send_rtp(header + payload)
        if sent:
            self.packets += 1
            self.bytes += len(payload)
        return sent

    def write_again(
        self,
        sequence_number: int,
        timestamp: int,
        payload: bytes,
        *,
        first_sent_at: Seconds,
        now: Seconds,
        marker: bool,
    ) -> bool:
        """Send a packet once more, as a retransmission where the peer takes those (RFC 4588 section 4).

        Else it is the very same packet: a header that differs under one number would give away the key that
        authenticates (NIST SP 800-38D appendix A).
        """
        if self._link is None:
            return False
        if self._resend_header is None:
            header = self._header(sequence_number, timestamp, send_time(first_sent_at), marker=marker)
            return self._link.send_rtp(header + payload)
        header = self._resend_header(self._resend_number, timestamp, send_time(now), marker=marker)
        self._resend_number = (self._resend_number + 1) & 0xFFFF
        return self._link.send_rtp(header + sequence_number.to_bytes(2, "big") + payload)

    def report(self, ntp_timestamp: int, timestamp: int) -> None:
        """Tell the receiver when a timestamp of ours was captured (RFC 3550 section 6.4.1).

        ``ntp_timestamp`` are 64 bits of the publisher's clock.
        """
        if self._link is None:
            return
        clocks = RtcpSenderInfo(ntp_timestamp, timestamp, self.packets & 0xFFFFFFFF, self.bytes & 0xFFFFFFFF)
        name = RtcpSourceInfo(ssrc=self._ssrc, items=[(CNAME, self._cname.encode())])
        compound = bytes(RtcpSrPacket(self._ssrc, clocks)) + bytes(RtcpSdesPacket([name]))
        self._link.send_rtcp(compound)

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
            # aiortc reads 17 numbers of a pair without wrapping them.
            self._feedback.missing([number & 0xFFFF for number in packet.lost])
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt in {RTCP_PSFB_PLI, RTCP_PSFB_FIR}:
            self._feedback.keyframe_wanted()
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            bitrate, ssrcs = unpack_remb_fci(packet.fci)
            if self._ssrc in ssrcs:
                self._feedback.bitrate(bitrate)
