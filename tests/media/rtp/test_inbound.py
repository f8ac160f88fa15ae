import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    unpack_remb_fci,
)

from guard.media.assembler import Codec, Kind, Packet
from guard.media.gates import MAX_LATE, SOURCE_SILENCE
from guard.media.rtp.inbound import REPORT_INTERVAL, InboundTrack, SenderReport
from guard.media.rtp.packet import Rtp
from guard.media.rtp.reception import MAX_TRIES, REORDER_GRACE, RETRY_INTERVAL
from tests.support.rtp import (
    OPUS,
    OPUS_TYPE,
    OWN_SSRC,
    SEND_TIME_ID,
    STAMPED,
    VP8,
    VP8_RESENT,
    VP8_RESENT_TYPE,
    VP8_TYPE,
    Transceiver,
)

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]

SSRC, OTHER_SSRC, RESENT_SSRC = 71, 72, 73
MIDDLE = b"\x00\x01"
"""A VP8 payload that begins no picture: its descriptor and a byte."""

KEYFRAME = b"\x10\x00\x00\x00"
CODECS: dict[Kind, list[RTCRtpCodecParameters]] = {"video": [VP8, VP8_RESENT], "audio": [OPUS]}


class Estimate:
    """An uplink whose estimate the test sets."""

    def __init__(self, bitrate: int | None = None) -> None:
        self.bitrate = bitrate

    def add(self, _packet: Rtp, _sent_at: int, _now: float) -> bool:
        return self.bitrate is not None


class Receiver:
    """A track on virtual time with what it hands on and what it sends."""

    def __init__(self, kind: Kind = "video", limit: int | None = None) -> None:
        self.packets: list[Packet] = []
        self.reports: list[SenderReport] = []
        self.asked: list[tuple[float, list[int]]] = []
        self.uplink = Estimate()
        self.kind = kind
        transceiver = Transceiver()
        self.dtls, self.socket = transceiver.dtls, transceiver.dtls.socket
        self.clock = asyncio.get_running_loop().time
        self.track = InboundTrack(
            kind,
            cast("Any", transceiver),
            self.packets.append,
            self.clock,
            on_report=self.reports.append,
            allow=lambda own: own or limit,
        )
        self.track._uplink = cast("Any", self.uplink)
        self._began = self.clock()

    async def begin(self) -> None:
        await self.track.receive(
            RTCRtpReceiveParameters(codecs=CODECS[self.kind], headerExtensions=[STAMPED])
        )

    def take(self, *numbers: int, payload: bytes = MIDDLE, **changes: Any) -> None:
        """Packets of these numbers now."""
        payload_type = VP8_TYPE if self.kind == "video" else OPUS_TYPE
        for number in numbers:
            packet = Rtp(payload_type, False, number & 0xFFFF, number * 3000, SSRC, payload)  # noqa: FBT003 -- the marker
            self.track.take(packet._replace(**changes))

    def take_again(self, *numbers: int, payload: bytes = MIDDLE) -> None:
        """Retransmissions of these numbers now."""
        for place, number in enumerate(numbers):
            carried = (number & 0xFFFF).to_bytes(2, "big") + payload
            packet = Rtp(VP8_RESENT_TYPE, True, 9000 + place, number * 3000, RESENT_SSRC, carried)  # noqa: FBT003 -- the marker
            self.track.take(packet)

    async def hear(self, packet: AnyRtcpPacket) -> None:
        await self.track._handle_rtcp_packet(packet)

    @property
    def numbers(self) -> list[int]:
        return [packet.number for packet in self.packets]

    def compounds(self) -> list[list[AnyRtcpPacket]]:
        """What was sent since the last time, without what is asked for again."""
        found = [one for one in self.socket.rtcp if not isinstance(one[0], RtcpRtpfbPacket)]
        self.socket.sent.clear()
        return found

    async def asks(self, until: float) -> list[tuple[float, list[int]]]:
        """What is asked for again until then, and when, in ms."""
        asked: list[tuple[float, list[int]]] = []
        while self.clock() < until:
            self.socket.sent.clear()
            await asyncio.sleep(0.001)
            for packet, *_ in self.socket.rtcp:
                if isinstance(packet, RtcpRtpfbPacket):
                    assert packet.media_ssrc == SSRC
                    asked.append((round(self.clock() * 1000), packet.lost))
        return asked


@asynccontextmanager
async def receiving(kind: Kind = "video", limit: int | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver(kind, limit)
    await receiver.begin()
    try:
        yield receiver
    finally:
        await receiver.track.stop()


async def test_what_is_missing_is_asked_for_three_times_and_then_given_up():
    async with receiving() as receiver:
        receiver.take(65_534, 65_537)
        asked = await receiver.asks(until=2.0)
    assert MAX_TRIES == 3
    expected = [REORDER_GRACE, REORDER_GRACE + RETRY_INTERVAL, REORDER_GRACE + 2 * RETRY_INTERVAL]
    assert [at / 1000 for at, _ in asked] == pytest.approx(expected, abs=0.002)
    assert [numbers for _, numbers in asked] == [[0, 65_535]] * 3


async def test_a_later_gap_is_not_delayed_by_the_retry_of_an_older_one():
    async with receiving() as receiver:
        receiver.take(1, 3)
        first = await receiver.asks(until=0.03)
        receiver.take(5)
        later = await receiver.asks(until=0.06)
        rest = await receiver.asks(until=0.16)
    assert [numbers for _, numbers in first] == [[2]]
    ((at, numbers),) = later
    assert at == pytest.approx(50, abs=2)
    assert numbers == [4]
    assert [numbers for _, numbers in rest] == [[2], [4]]


async def test_what_came_meanwhile_is_asked_for_no_more():
    async with receiving() as receiver:
        receiver.take(1, 3)
        await receiver.asks(until=0.01)
        receiver.take(2)
        assert await receiver.asks(until=0.5) == []
        receiver.take(6)
        asked = await receiver.asks(until=0.55)
        receiver.take_again(4)
        receiver.take(5)
        assert [numbers for _, numbers in asked] == [[4, 5]]
        assert await receiver.asks(until=2.0) == []


async def test_sound_is_not_asked_for_again():
    async with receiving("audio") as receiver:
        receiver.take(1, 5, payload=b"voice")
        assert await receiver.asks(until=0.5) == []
        assert receiver.track.lost == 3
    assert [packet.codec for packet in receiver.packets] == [Codec.OPUS] * 2


async def test_a_retransmission_is_unwrapped_and_takes_its_place():
    async with receiving() as receiver:
        receiver.take(65_534, 65_537)
        receiver.take_again(65_536, payload=KEYFRAME)
    again = receiver.packets[-1]
    assert receiver.numbers == [65_534, 65_537, 65_536]
    assert (again.codec, again.sequence_number, again.timestamp) == (Codec.VP8, 0, 65_536 * 3000)
    assert (again.rtp_payload, again.payload, again.marker) == (KEYFRAME, KEYFRAME[1:], True)
    assert (again.starts, again.keyframe, again.restarts) == (True, True, False)


async def test_retransmissions_before_a_stream_or_without_content_are_nothing():
    async with receiving() as receiver:
        receiver.take_again(5)
        receiver.take(10)
        receiver.track.take(Rtp(VP8_RESENT_TYPE, False, 1, 0, RESENT_SSRC, b""))  # noqa: FBT003 -- the marker
        receiver.take(11)
    assert receiver.numbers == [10, 11]
    assert receiver.track.dropped == {}


@pytest.mark.parametrize("distance", [-MAX_LATE - 100, 2, 5000, 30_000])
async def test_retransmissions_never_restart_a_stream_nor_move_it(distance: int):
    start = 100_000 & 0xFFFF
    async with receiving() as receiver:
        receiver.take(start)
        for _ in range(4):
            receiver.take_again(start + distance, start + distance + 1)
        receiver.take_again(start + distance + 25_000)
        receiver.take(start + 1, start + 2)
        assert receiver.track.lost == 0
        assert await receiver.asks(until=0.5) == []
    assert receiver.numbers == [start, start + 1, start + 2]
    assert not any(packet.restarts for packet in receiver.packets)
    assert receiver.track.dropped["jump"] == 0


async def test_a_retransmission_of_a_type_that_nobody_agreed_on_is_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(
        CODECS,
        "video",
        [
            VP8,
            RTCRtpCodecParameters("video/rtx", 90_000, payloadType=VP8_RESENT_TYPE, parameters={"apt": 120}),
        ],
    )
    async with receiving() as receiver:
        receiver.take(1, 3)
        receiver.take_again(2)
    assert receiver.numbers == [1, 3]


async def test_what_is_malformed_is_handed_to_nobody():
    async with receiving() as receiver:
        receiver.take(1)
        receiver.take(2, payload=b"\x90\x80")
        receiver.take(3)
        assert receiver.track.lost == 0
    assert receiver.numbers == [1, 3]
    assert receiver.track.dropped == {"malformed": 1}


async def test_padding_keeps_its_number():
    async with receiving() as receiver:
        receiver.take(1)
        receiver.take(2, payload=b"")
    assert receiver.numbers == [1, 2]
    assert (receiver.packets[-1].payload, receiver.packets[-1].rtp_payload) == (b"", b"")


async def test_another_source_takes_over_after_a_silence_and_restarts_the_stream():
    async with receiving() as receiver:
        receiver.take(1, 2)
        receiver.take(500, ssrc=OTHER_SSRC)
        await asyncio.sleep(SOURCE_SILENCE)
        receiver.take(501, 502, ssrc=OTHER_SSRC)
        receiver.take(3)
    assert [(packet.number, packet.restarts) for packet in receiver.packets] == [
        (1, False),
        (2, False),
        (501, True),
        (502, False),
    ]
    assert receiver.track.dropped == {"foreign_ssrc": 2}


async def test_what_never_came_is_lost_also_after_a_restart():
    async with receiving() as receiver:
        receiver.take(1, 5)
        assert receiver.track.lost == 3
        receiver.take_again(2)
        receiver.take(3)
        assert receiver.track.lost == 1
        await asyncio.sleep(SOURCE_SILENCE)
        receiver.take(1000, ssrc=OTHER_SSRC)
        assert receiver.track.lost == 1
        receiver.take(1002, ssrc=OTHER_SSRC)
        assert receiver.track.lost == 2


async def test_what_comes_twice_makes_up_for_nothing_else():
    async with receiving() as receiver:
        receiver.take(1, 5)
        receiver.take_again(2, 2)
        receiver.take(2, 2)
        assert receiver.track.lost == 2
        await asyncio.sleep(0.6)  # it has been given up
        receiver.take_again(3, 4)
        assert receiver.track.lost == 0


async def test_what_came_is_reported_with_the_limit_as_one_compound_a_second():
    async with receiving(limit=1_000_000) as receiver:
        await asyncio.sleep(1.1 * REPORT_INTERVAL)
        assert receiver.compounds() == []
        receiver.take(65_535, 65_538)
        await asyncio.sleep(0.4)
        await receiver.hear(RtcpSrPacket(SSRC, RtcpSenderInfo(0x0123456789ABCDEF, 7, 1, 1)))
        await asyncio.sleep(0.6)
        ((report, limit),) = receiver.compounds()
        await asyncio.sleep(REPORT_INTERVAL)
        assert len(receiver.compounds()) == 1
    assert isinstance(report, RtcpRrPacket)
    (block,) = report.reports
    assert report.ssrc == OWN_SSRC
    assert (block.ssrc, block.fraction_lost, block.packets_lost) == (SSRC, 128, 2)
    assert (block.highest_sequence, block.lsr) == (65_538, 0x456789AB)
    assert block.dlsr / 65_536 == pytest.approx(0.5, abs=0.001)
    assert isinstance(limit, RtcpPsfbPacket)
    assert (limit.fmt, limit.ssrc, limit.media_ssrc) == (RTCP_PSFB_APP, OWN_SSRC, 0)
    assert unpack_remb_fci(limit.fci) == (1_000_000, [SSRC])


async def test_sound_is_reported_without_a_limit_and_so_is_what_has_none():
    async with receiving("audio", limit=1_000_000) as audio, receiving() as video:
        assert (video.track.send_time_id, audio.track.send_time_id) == (SEND_TIME_ID, None)
        for receiver in (audio, video):
            receiver.take(1)
        await asyncio.sleep(1.1 * REPORT_INTERVAL)
        for receiver in (audio, video):
            assert receiver.compounds() == [
                [RtcpRrPacket(OWN_SSRC, [RtcpReceiverInfo(SSRC, 0, 0, 1, 0, 0, 0)])]
            ]


async def test_a_limit_that_falls_is_told_at_once_and_one_that_hardly_does_later():
    async with receiving(limit=1_000_000) as receiver:
        receiver.take(1)
        await asyncio.sleep(1.1 * REPORT_INTERVAL)
        receiver.compounds()
        for bitrate in (980_000, 2_000_000):
            receiver.uplink.bitrate = bitrate
            receiver.take(2, send_time=1)
            assert receiver.compounds() == []
        receiver.uplink.bitrate = 968_000
        receiver.take(3, send_time=1)
        ((report, limit),) = receiver.compounds()
        receiver.take(4, send_time=1)
        assert receiver.compounds() == []
    assert isinstance(report, RtcpRrPacket)
    assert isinstance(limit, RtcpPsfbPacket)
    assert unpack_remb_fci(limit.fci) == (968_000, [SSRC])


async def test_a_keyframe_is_asked_for_of_the_source_that_sends():
    async with receiving() as receiver:
        receiver.track.send_pli()
        assert receiver.socket.sent == []
        receiver.take(1)
        receiver.track.send_pli()
        assert receiver.socket.rtcp == [[RtcpPsfbPacket(RTCP_PSFB_PLI, OWN_SSRC, SSRC)]]


async def test_each_report_of_the_source_is_handed_on_once():
    async with receiving() as receiver:
        info = RtcpSenderInfo(ntp_timestamp=1 << 40, rtp_timestamp=99, packet_count=1, octet_count=1)
        await receiver.hear(RtcpSrPacket(SSRC, info))
        receiver.take(1)
        await receiver.hear(RtcpSrPacket(SSRC, info))
        await receiver.hear(RtcpSrPacket(OTHER_SSRC, info))
        await asyncio.sleep(3 * REPORT_INTERVAL)
    assert receiver.reports == [SenderReport("video", 1 << 40, 99)]


async def test_a_report_of_the_source_before_is_not_answered_to_the_next():
    async with receiving() as receiver:
        receiver.take(1)
        await receiver.hear(RtcpSrPacket(SSRC, RtcpSenderInfo(1 << 40, 99, 1, 1)))
        await asyncio.sleep(SOURCE_SILENCE)
        receiver.take(1, ssrc=OTHER_SSRC)
        receiver.compounds()
        await asyncio.sleep(REPORT_INTERVAL)
        ((report, *_),) = receiver.compounds()
    assert isinstance(report, RtcpRrPacket)
    assert [(block.ssrc, block.lsr, block.dlsr) for block in report.reports] == [(OTHER_SSRC, 0, 0)]


async def test_after_the_end_nothing_is_sent_and_nothing_waits():
    before = asyncio.all_tasks()
    receiver = Receiver(limit=1_000_000)
    await receiver.track.stop()  # before it began it has nothing to end
    await receiver.begin()
    await receiver.begin()
    assert receiver.dtls.registered == [receiver.track]
    receiver.take(1, 3)
    asking = receiver.track._asking
    assert asking is not None
    await receiver.track.stop()
    assert asking.cancelled()
    assert asyncio.all_tasks() == before
    receiver.track.send_pli()
    await asyncio.sleep(3 * REPORT_INTERVAL)
    assert receiver.socket.sent == []
    assert receiver.dtls.registered == []
