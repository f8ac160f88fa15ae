from collections import Counter
from dataclasses import replace
from typing import Any, cast

import pytest
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpParameters, RTCRtpSendParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_PSFB_SLI,
    RTCP_RTPFB_NACK,
    HeaderExtensionsMap,
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    RtpPacket,
    pack_remb_fci,
)

from guard.media.rtp.outbound import CNAME, Feedback, OutboundTrack
from guard.media.rtp.packet import send_time
from tests.support.rtp import (
    NAMED,
    OPUS,
    OPUS_TYPE,
    OWN_SSRC,
    RESEND_SSRC,
    STAMPED,
    VP8,
    VP8_RESENT,
    VP8_RESENT_TYPE,
    VP8_TYPE,
    Transceiver,
)

pytestmark = pytest.mark.unit


class Sender:
    """A track with what it sends and what it hears."""

    def __init__(self) -> None:
        self.connected = 0
        self.keyframes_wanted = 0
        self.missing: list[list[int]] = []
        self.bitrates: list[int] = []
        self.dropped: Counter[str] = Counter()
        transceiver = Transceiver()
        self.dtls, self.socket = transceiver.dtls, transceiver.dtls.socket
        feedback = Feedback(self._connect, self._want, self.missing.append, self.bitrates.append)
        self.track = OutboundTrack(cast("Any", transceiver), feedback, self.dropped)

    async def begin(self, *codecs: RTCRtpCodecParameters, stamped: bool = True) -> None:
        extensions = [STAMPED] if stamped else []
        await self.track.send(
            RTCRtpSendParameters(codecs=list(codecs), headerExtensions=extensions, rtcp=NAMED)
        )

    async def hear(self, packet: Any) -> None:
        """Take RTCP as it comes off the wire."""
        for parsed in RtcpPacket.parse(bytes(packet)):
            await self.track._handle_rtcp_packet(parsed)

    def write(self, number: int, payload: bytes = b"payload") -> bool:
        return self.track.write(number, number * 3000, payload, 1.5, marker=True)

    def write_again(self, number: int, now: float = 2.0) -> bool:
        return self.track.write_again(
            number, number * 3000, b"payload", first_sent_at=1.5, now=now, marker=True
        )

    @property
    def packets(self) -> list[RtpPacket]:
        """What went out, as aiortc reads it."""
        extensions = HeaderExtensionsMap()
        extensions.configure(RTCRtpParameters(headerExtensions=[STAMPED]))
        return [RtpPacket.parse(datagram, extensions) for datagram in self.socket.rtp]

    def _connect(self) -> None:
        self.connected += 1

    def _want(self) -> None:
        self.keyframes_wanted += 1


async def test_nothing_goes_before_the_connection_and_its_beginning_is_told_once():
    sender = Sender()
    assert not sender.write(1)
    assert not sender.write_again(1)
    sender.track.report(1, 1)
    await sender.begin(VP8)
    await sender.begin(VP8)
    assert sender.connected == 1
    assert sender.dtls.registered == [sender.track]
    assert sender.socket.sent == []


async def test_headers_are_as_negotiated():
    sender = Sender()
    await sender.begin(VP8, VP8_RESENT)
    assert sender.write(7)
    (packet,) = sender.packets
    assert (packet.payload_type, packet.ssrc, packet.marker) == (VP8_TYPE, OWN_SSRC, 1)
    assert (packet.sequence_number, packet.timestamp, packet.payload) == (7, 21_000, b"payload")
    assert packet.extensions.abs_send_time == send_time(1.5)


async def test_without_abs_send_time_there_is_no_extension():
    sender = Sender()
    await sender.begin(OPUS, stamped=False)
    sender.track.write(7, 960, b"voice", 1.5, marker=False)
    assert sender.socket.rtp[0][0] == 0x80
    (packet,) = sender.packets
    assert (packet.payload_type, packet.marker, packet.payload) == (OPUS_TYPE, 0, b"voice")


async def test_what_is_sent_again_has_its_old_number_inside_and_rising_ones_of_its_own():
    sender = Sender()
    await sender.begin(VP8, VP8_RESENT)
    sender.track._resend_number = 65_534
    for number in (500, 65_535, 2, 500):
        assert sender.write_again(number)
    assert [packet.sequence_number for packet in sender.packets] == [65_534, 65_535, 0, 1]
    assert [int.from_bytes(packet.payload[:2], "big") for packet in sender.packets] == [500, 65_535, 2, 500]
    first = sender.packets[0]
    assert (first.payload_type, first.ssrc, first.marker) == (VP8_RESENT_TYPE, RESEND_SSRC, 1)
    assert (first.timestamp, first.payload[2:]) == (1_500_000, b"payload")
    assert first.extensions.abs_send_time == send_time(2.0)


@pytest.mark.parametrize("stamped", [True, False])
async def test_without_retransmission_the_very_same_packet_goes_again(stamped: bool):  # noqa: FBT001 -- a case
    sender = Sender()
    await sender.begin(VP8, replace(VP8_RESENT, parameters={"apt": 100}), stamped=stamped)
    sender.write(7)
    sender.write_again(7, now=3.0)
    first, again = sender.socket.rtp
    assert again == first


async def test_numbers_asked_for_are_masked_over_the_wrap():
    sender = Sender()
    await sender.hear(RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=9, media_ssrc=OWN_SSRC, lost=[65_535]))
    both_sides = RtcpRtpfbPacket(
        fmt=RTCP_RTPFB_NACK, ssrc=9, media_ssrc=OWN_SSRC, lost=[65_534, 65_536, 65_540]
    )
    await sender.hear(both_sides)
    assert sender.missing == [[65_535], [65_534, 0, 4]]


async def test_pli_and_fir_ask_for_a_keyframe_and_nothing_else_does():
    sender = Sender()
    await sender.hear(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=9, media_ssrc=OWN_SSRC))
    await sender.hear(RtcpPsfbPacket(fmt=RTCP_PSFB_FIR, ssrc=9, media_ssrc=0, fci=bytes(8)))
    assert sender.keyframes_wanted == 2
    await sender.hear(RtcpPsfbPacket(fmt=RTCP_PSFB_SLI, ssrc=9, media_ssrc=OWN_SSRC, fci=bytes(4)))
    await sender.hear(RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK + 2, ssrc=9, media_ssrc=OWN_SSRC, lost=[1]))
    await sender.hear(RtcpRrPacket(9, [RtcpReceiverInfo(OWN_SSRC, 0, 0, 0, 0, 0, 0)]))
    assert (sender.keyframes_wanted, sender.missing, sender.bitrates) == (2, [], [])


async def test_a_bitrate_counts_for_the_streams_that_it_names():
    sender = Sender()
    for bitrate, ssrcs in ((400_000, [OWN_SSRC]), (300_000, [5]), (200_000, [5, OWN_SSRC]), (100_000, [])):
        fci = pack_remb_fci(bitrate, ssrcs)
        await sender.hear(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=9, media_ssrc=0, fci=fci))
    assert sender.bitrates == [400_000, 200_000]


async def test_a_report_holds_the_clock_our_timestamp_and_what_really_went():
    sender = Sender()
    await sender.begin(VP8, VP8_RESENT)
    sender.write(1, bytes(100))
    sender.socket.closing = True
    assert not sender.write(2, bytes(100))
    sender.socket.closing = False
    sender.write(3, bytes(50))
    sender.write_again(2)
    sender.track.report(0x0123456789ABCDEF, 4711)
    assert sender.socket.rtcp == [
        [
            RtcpSrPacket(OWN_SSRC, RtcpSenderInfo(0x0123456789ABCDEF, 4711, 2, 150), []),
            RtcpSdesPacket([RtcpSourceInfo(OWN_SSRC, [(CNAME, b"a name")])]),
        ]
    ]
    assert sender.dropped == {"unconnected": 1}


async def test_the_end_is_told_once_and_nothing_goes_after_it():
    sender = Sender()
    await sender.begin(VP8, VP8_RESENT)
    sender.write(1)
    await sender.track.stop()
    await sender.track.stop()
    assert sender.socket.rtcp == [[RtcpByePacket([OWN_SSRC])]]
    assert sender.dtls.registered == []
    assert not sender.write(2)
    assert not sender.write_again(1)
    sender.track.report(1, 1)
    assert len(sender.socket.sent) == 2


async def test_who_never_began_has_no_end_to_tell():
    sender = Sender()
    await sender.track.stop()
    assert sender.socket.sent == []
