import os
from collections import Counter

import pylibsrtp
import pytest
from aiortc.rtp import RtcpRrPacket, RtpPacket

from guard.media.gates import DatagramGate
from guard.media.rtp.inlet import MAX_SSRCS, FewSources

pytestmark = pytest.mark.unit

PROFILE = pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80


class Way:
    """A peer that protects, and the session that takes what it sends."""

    def __init__(self) -> None:
        key = os.urandom(30)
        self.dropped: Counter[str] = Counter()
        self.gate = DatagramGate(self.dropped, lambda: 0.0)
        self.peer = self._session(key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self.session = FewSources(self._session(key, pylibsrtp.Policy.SSRC_ANY_INBOUND), self.gate)

    @staticmethod
    def _session(key: bytes, direction: int) -> pylibsrtp.Session:
        return pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=direction, srtp_profile=PROFILE))

    def rtp(self, ssrc: int, sequence_number: int = 1) -> bytes:
        packet = RtpPacket(payload_type=96, sequence_number=sequence_number, timestamp=1, ssrc=ssrc)
        packet.payload = b"payload"
        return bytes(self.peer.protect(packet.serialize()))

    def rtcp(self, ssrc: int) -> bytes:
        return bytes(self.peer.protect_rtcp(bytes(RtcpRrPacket(ssrc=ssrc))))

    def takes(self, packet: bytes, *, rtcp: bool = False) -> bool:
        try:
            (self.session.unprotect_rtcp if rtcp else self.session.unprotect)(packet)
        except pylibsrtp.Error:
            return False
        return True


def test_eight_sources_have_a_place_and_no_ninth():
    way = Way()
    assert all(way.takes(way.rtp(ssrc)) for ssrc in range(1, MAX_SSRCS))
    assert way.takes(way.rtcp(1000), rtcp=True)
    assert not way.takes(way.rtp(2000))
    assert not way.takes(way.rtcp(3000), rtcp=True)
    assert way.takes(way.rtp(1, 2))
    assert way.takes(way.rtcp(1), rtcp=True)
    assert way.dropped == {"ssrc": 2}


def test_what_is_not_authentic_takes_no_place():
    way, stranger = Way(), Way()
    for ssrc in range(100, 200):
        assert not way.takes(stranger.rtp(ssrc))
        assert not way.takes(stranger.rtcp(ssrc), rtcp=True)
    assert way.takes(way.rtp(1))
    assert way.dropped == {"srtp": 200}


def test_a_packet_that_was_there_before_is_refused():
    way = Way()
    packet = way.rtp(1)
    assert way.takes(packet)
    assert not way.takes(packet)
    assert way.dropped == {"srtp": 1}


def test_the_gate_hears_what_is_authentic_and_what_is_forged(monkeypatch: pytest.MonkeyPatch):
    way, forged = Way(), []
    monkeypatch.setattr(way.gate, "forged", lambda: forged.append(True))
    packet = way.rtp(7)
    assert not way.takes(packet[:-1] + b"x")
    assert [way.gate._sources, forged] == [set(), []]
    assert way.takes(packet)
    assert way.gate._sources == {packet[8:12]}
    assert not way.takes(packet)
    assert forged == [True]
