"""The RTP of one transport: authenticated as it comes, past aiortc's queue, and handed to its track."""
# ruff: noqa: SLF001 -- part of the adapter that uses aiortc's private names, see transport.ADAPTED

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import pylibsrtp
from aiortc.rtcdtlstransport import RTCDtlsTransport

from guard.media.rtp.packet import FIXED_HEADER, read_rtp

if TYPE_CHECKING:
    from guard.media.gates import DatagramGate
    from guard.media.rtp.inbound import InboundTrack

MAX_SSRCS = 8
"""SRTP keeps a state for each; a call has three: sound, pictures, and those sent again."""


class FewSources:
    """Stands in for a transport's inbound SRTP session: packets of a ninth source are refused unread.

    The gate is told which sources are authentic, and when one is not.
    """

    def __init__(self, session: pylibsrtp.Session, gate: "DatagramGate") -> None:
        self._session = session
        self._gate = gate
        self._dropped = gate.dropped
        self._sources: set[bytes] = set()

    def unprotect(self, packet: bytes) -> bytes:
        """The RTP packet of a protected one; raise pylibsrtp.Error."""
        return self._opened(self._session.unprotect, packet, packet[8:12])

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """The RTCP packet of a protected one; raise pylibsrtp.Error."""
        return self._opened(self._session.unprotect_rtcp, packet, packet[4:8])

    def _opened(self, unprotect: Callable[[bytes], bytes], packet: bytes, source: bytes) -> bytes:
        if source not in self._sources and len(self._sources) >= MAX_SSRCS:
            self._dropped["ssrc"] += 1
            msg = f"SRTP: expected at most {MAX_SSRCS} sources, got another"
            raise pylibsrtp.Error(msg)
        try:
            plain = unprotect(packet)
        except pylibsrtp.Error:
            self._dropped["srtp"] += 1
            if source in self._sources:
                self._gate.forged()
            raise
        if source not in self._sources:  # only what is authentic takes a place
            self._sources.add(source)
            self._gate.prove(source)
        return plain


class Inlet:
    """Takes SRTP packets; none may stop the others.

    ``dropped`` counts by reason: ``early`` before the keys, ``ssrc`` beyond the limit, ``srtp`` not authentic
    or seen before, ``malformed``, ``payload_type``.
    """

    def __init__(self, dtls: RTCDtlsTransport, dropped: Counter[str]) -> None:
        self.dropped = dropped
        self._dtls = dtls
        # What receives there is always ours, see ``Peer.receive``.
        self._tracks = cast("dict[int, set[InboundTrack]]", dtls._rtp_router.payload_type_table)
        self._reported = cast("dict[int, InboundTrack]", dtls._rtp_router.ssrc_table)

    def take(self, datagram: bytes) -> None:
        """Take one SRTP packet."""
        session = cast("FewSources | None", self._dtls._rx_srtp)
        if session is None:
            self.dropped["early"] += 1
        elif len(datagram) < FIXED_HEADER.size:
            self.dropped["malformed"] += 1
        else:
            try:
                plain = session.unprotect(datagram)
            except pylibsrtp.Error:
                return  # counted
            self._take(plain, int.from_bytes(datagram[8:12], "big"))

    def _take(self, plain: bytes, source: int) -> None:
        track = next(iter(self._tracks.get(plain[1] & 0x7F, ())), None)
        if track is None:
            self.dropped["payload_type"] += 1
            return
        try:
            packet = read_rtp(plain, track.send_time_id)
        except ValueError:
            self.dropped["malformed"] += 1
            return
        if source not in self._reported:
            self._reported[source] = track  # aiortc hands it this source's reports
        track.take(packet)
