import os
from collections import Counter
from typing import Any, cast

import pylibsrtp
import pytest

from guard.media.rtp.link import MAX_BUFFERED, Link
from tests.support.rtp import ConnectedTransport, OpenSession, Socket, pair

pytestmark = pytest.mark.unit

HEADER = b"\x80\x60\0\1\0\0\0\0\0\0\0\7"
PROFILE = pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80


class Way:
    """A link with what it goes over."""

    def __init__(self, session: Any = None) -> None:
        self.dtls = ConnectedTransport()
        self.dtls._tx_srtp = session or OpenSession()
        self.socket = self.dtls.socket
        self.dropped: Counter[str] = Counter()
        self.link = Link(cast("Any", self.dtls), self.dropped)


def sessions() -> tuple[pylibsrtp.Session, pylibsrtp.Session]:
    """One that protects, and the one that takes what it sends."""
    key = os.urandom(30)
    out, back = (
        pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=direction, srtp_profile=PROFILE))
        for direction in (pylibsrtp.Policy.SSRC_ANY_OUTBOUND, pylibsrtp.Policy.SSRC_ANY_INBOUND)
    )
    return out, back


def test_packets_go_out_protected_at_once():
    out, back = sessions()
    way = Way(out)
    report = b"\x80\xc9\0\1\0\0\0\7"
    assert way.link.send_rtp(HEADER + b"payload")
    assert way.link.send_rtcp(report)
    (rtp, address), (rtcp, _) = way.socket.sent
    assert b"payload" not in rtp
    assert back.unprotect(rtp) == HEADER + b"payload"
    assert back.unprotect_rtcp(rtcp) == report
    assert address == ("127.0.0.1", 4000)
    assert way.dropped == {}


def test_without_a_pair_or_with_a_closing_socket_nothing_goes():
    way = Way()
    selected = way.dtls.nominated.pop(1)
    assert not way.link.send_rtp(HEADER)
    way.dtls.nominated[1] = selected
    assert way.link.send_rtp(HEADER)
    way.socket.closing = True
    assert not way.link.send_rtp(HEADER)
    way.socket.closing = False
    way.dtls.nominated.clear()
    assert not way.link.send_rtcp(HEADER)
    assert len(way.socket.sent) == 1
    assert way.dropped == {"unconnected": 3}


def test_a_new_pair_is_turned_to_and_so_is_its_socket():
    way, other = Way(), Socket()
    way.link.send_rtp(HEADER)
    way.dtls.nominated[1] = pair(way.socket, 4001)
    way.link.send_rtp(HEADER)
    way.dtls.nominated[1] = pair(other, 4002)
    other.buffered = MAX_BUFFERED + 1
    way.link.send_rtp(HEADER)
    other.buffered = 0
    way.link.send_rtp(HEADER)
    assert [address[1] for _, address in way.socket.sent] == [4000, 4001]
    assert [address[1] for _, address in other.sent] == [4002]
    assert way.dropped == {"congested": 1}


class Relayed:
    """A socket behind a TURN server: it only sends."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sendto(self, datagram: bytes, _address: tuple[str, int]) -> None:
        self.sent.append(datagram)


def test_a_relay_knows_neither_of_closing_nor_of_what_waits():
    way, relayed = Way(), Relayed()
    way.socket.closing = True
    way.socket.buffered = MAX_BUFFERED + 1
    assert not way.link.send_rtp(HEADER)
    way.dtls.nominated[1] = pair(relayed)
    assert way.link.send_rtp(HEADER)
    assert relayed.sent == [HEADER]


def test_what_a_socket_does_not_take_in_time_is_dropped():
    way = Way()
    way.socket.buffered = MAX_BUFFERED
    assert way.link.send_rtp(HEADER)
    way.socket.buffered += 1
    assert not way.link.send_rtp(HEADER)
    way.socket.buffered = 0
    assert way.link.send_rtp(HEADER)
    assert way.dropped == {"congested": 1}


def test_what_srtp_cannot_carry_is_told_from_what_it_will_not():
    out, _ = sessions()
    way = Way(out)
    assert not way.link.send_rtp(HEADER + bytes(3000))
    assert not way.link.send_rtp(HEADER[:4])
    assert not way.link.send_rtcp(b"")
    assert way.link.send_rtp(HEADER)
    assert not way.link.send_rtp(HEADER + b"another under the same number")
    assert way.dropped == {"oversize": 1, "srtp": 3}
    assert len(way.socket.sent) == 1
