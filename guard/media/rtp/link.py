"""Protected packets out to one peer at once: no queue of ours, and a bound on the socket's."""
# ruff: noqa: SLF001 -- part of the adapter that uses aiortc's private names, see transport.ADAPTED

from collections import Counter
from collections.abc import Callable
from functools import partial

import pylibsrtp
from aioice.ice import CandidatePair
from aiortc.rtcdtlstransport import RTCDtlsTransport

MAX_BUFFERED = 256 * 1024
"""Bytes that may wait for a socket; one that takes none for so long drops what comes."""


class Link:
    """Sends over the selected pair of a connected transport; what cannot be sent now is dropped and counted.

    ``dropped`` counts by reason: ``unconnected``, ``oversize`` for SRTP, ``srtp`` that did
    not protect it, ``congested`` for the socket.
    """

    def __init__(self, dtls: RTCDtlsTransport, dropped: Counter[str]) -> None:
        self.dropped = dropped
        self._nominated = dtls.transport._connection._nominated
        self._pair: CandidatePair | None = None
        self._address = ("", 0)
        self._is_closing: Callable[[], bool] = bool
        self._buffered: Callable[[], int] = int
        self._send_to: Callable[[bytes, tuple[str, int]], None]
        self.send_rtp = partial(self._send, dtls._tx_srtp.protect)
        """Protect and send an RTP packet; return whether it went."""
        self.send_rtcp = partial(self._send, dtls._tx_srtp.protect_rtcp)
        """Protect and send a compound RTCP packet; return whether it went."""

    def _send(self, protect: Callable[[bytes], bytes], packet: bytes) -> bool:
        pair = self._nominated.get(1)
        if pair is not self._pair:
            self._turn_to(pair)
        if pair is None or self._is_closing():
            return self._drop("unconnected")
        if self._buffered() > MAX_BUFFERED:
            return self._drop("congested")
        try:
            protected = protect(packet)
        except ValueError:
            return self._drop("oversize")
        except pylibsrtp.Error:
            return self._drop("srtp")
        self._send_to(protected, self._address)
        return True

    def _turn_to(self, pair: CandidatePair | None) -> None:
        self._pair = pair
        if pair is not None:
            transport = pair.protocol.transport
            self._address, self._send_to = pair.remote_addr, transport.sendto
            # A TURN relay's has neither: it ignores what comes too late, and waits for one answer at most.
            self._is_closing = getattr(transport, "is_closing", bool)
            self._buffered = getattr(transport, "get_write_buffer_size", int)

    def _drop(self, reason: str) -> bool:
        self.dropped[reason] += 1
        return False
