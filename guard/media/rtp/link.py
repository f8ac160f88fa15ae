"""Protected packets out to one peer at once: no queue of ours, and a bound on the socket's."""
# ruff: noqa: SLF001 -- part of the adapter that uses aiortc's private names, see transport.ADAPTED

from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

import pylibsrtp
from aioice.ice import CandidatePair
from aiortc.rtcdtlstransport import RTCDtlsTransport

MAX_BUFFERED = 256 * 1024
"""Bytes that may wait for a socket; one that takes none for so long drops what comes."""

SendTo: TypeAlias = Callable[[bytes, tuple[str, int]], None]


class Link:
    """Sends over the selected pair of one transport; what cannot be sent now is dropped and counted.

    ``dropped`` counts by reason: ``unconnected``, ``oversize`` for SRTP, ``congested`` for the socket.
    """

    def __init__(self, dtls: RTCDtlsTransport, dropped: Counter[str]) -> None:
        self.dropped = dropped
        self._dtls = dtls
        self._nominated = dtls.transport._connection._nominated
        self._pair: CandidatePair | None = None
        self._send_to: SendTo = _nowhere
        self._buffered: Callable[[], int] = _nothing

    def send_rtp(self, packet: bytes) -> bool:
        """Protect and send an RTP packet; return whether it went."""
        session: pylibsrtp.Session | None = self._dtls._tx_srtp
        return self._send(session.protect, packet) if session is not None else self._drop("unconnected")

    def send_rtcp(self, packet: bytes) -> bool:
        """Protect and send a compound RTCP packet; return whether it went."""
        session: pylibsrtp.Session | None = self._dtls._tx_srtp
        return self._send(session.protect_rtcp, packet) if session is not None else self._drop("unconnected")

    def _send(self, protect: Callable[[bytes], bytes], packet: bytes) -> bool:
        pair = self._nominated.get(1)
        if pair is None or self._dtls._task is None:
            return self._drop("unconnected")
        if pair is not self._pair:
            self._turn_to(pair)
        if self._buffered() > MAX_BUFFERED:
            return self._drop("congested")
        try:
            protected = protect(packet)
        except (pylibsrtp.Error, ValueError):
            return self._drop("oversize")
        self._send_to(protected, pair.remote_addr)
        return True

    def _turn_to(self, pair: CandidatePair) -> None:
        transport = pair.protocol.transport
        self._pair, self._send_to = pair, transport.sendto
        # A TURN relay's has no such measure; what waits there waits for one answer of the relay.
        self._buffered = getattr(transport, "get_write_buffer_size", _nothing)

    def _drop(self, reason: str) -> bool:
        self.dropped[reason] += 1
        return False


def _nowhere(packet: bytes, address: tuple[str, int]) -> None:
    """Until a pair is selected."""


def _nothing() -> int:
    return 0
