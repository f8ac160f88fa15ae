"""The RTP of one transport: authenticated as it comes, past aiortc's queue, and handed to its track."""
# ruff: noqa: SLF001 -- part of the adapter that uses aiortc's private names, see transport.ADAPTED

from collections import Counter

import pylibsrtp
from aiortc.rtcdtlstransport import RTCDtlsTransport

from guard.media.rtp.inbound import InboundTrack
from guard.media.rtp.packet import FIXED_HEADER, read_rtp

MAX_SSRCS = 8
"""SRTP keeps a state for each; a call has three: sound, pictures, and those sent again."""


class Inlet:
    """Takes SRTP packets; none may stop the others.

    ``dropped`` counts by reason: ``early`` before the keys, ``ssrc`` beyond the limit, ``srtp`` not authentic
    or seen before, ``malformed``, ``payload_type``.
    """

    def __init__(self, dtls: RTCDtlsTransport, dropped: Counter[str]) -> None:
        self.dropped = dropped
        self._dtls = dtls
        self._tracks = dtls._rtp_router.payload_type_table
        self._reported = dtls._rtp_router.ssrc_table
        self._sources: set[int] = set()

    def take(self, datagram: bytes) -> None:
        """Take one SRTP packet."""
        session: pylibsrtp.Session | None = self._dtls._rx_srtp
        source = int.from_bytes(datagram[8:12], "big")
        if session is None:
            self.dropped["early"] += 1
        elif len(datagram) < FIXED_HEADER.size:
            self.dropped["malformed"] += 1
        elif source not in self._sources and len(self._sources) >= MAX_SSRCS:
            self.dropped["ssrc"] += 1
        else:
            try:
                plain = session.unprotect(datagram)
            except pylibsrtp.Error:
                self.dropped["srtp"] += 1
                return
            self._sources.add(source)
            self._take(plain, source)

    def _take(self, plain: bytes, source: int) -> None:
        track = next(iter(self._tracks.get(plain[1] & 0x7F, ())), None)
        if not isinstance(track, InboundTrack):
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
