"""Who sends what nobody asked for: strangers, and a caller who floods; processes of their own."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, cycle

from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from OpenSSL import SSL

from bench.hostility.callers import Site, chance_of, clip
from bench.relaying.process import Actor
from guard.media.gates import is_rtp
from guard.media.ice.private import replace
from guard.media.transport import Peer

COOKIE = 0x2112A442
STRANGE_ADDRESS = "127.0.0.3"
BATCH_S = 0.002
PAYLOAD = 160
"""Bytes of a flooding packet: the packets are to be limited, not their bytes."""


def client_hello() -> bytes:
    """The first datagram of somebody else's handshake."""
    context = RTCCertificate.generateCertificate()._create_ssl_context(SRTP_PROFILES)  # noqa: SLF001 -- as aiortc's own
    connection = SSL.Connection(context)
    connection.set_connect_state()
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        return connection.bio_read(1500)
    raise AssertionError


def foreign_dtls() -> dict[str, bytes]:
    """DTLS of somebody who is no part of the call (RFC 9147, RFC 6347)."""
    head = b"\xfe\xfd" + bytes(8)
    return {
        "ClientHello": client_hello(),
        "alert": b"\x15" + head + b"\x00\x02\x02\x28",
        "garbage handshake": b"\x16" + head + b"\x00\x64" + chance_of(1).randbytes(100),
    }


def misshapen() -> list[bytes]:
    """Empty datagrams, and ones longer than any network path takes, with each first byte of media."""
    firsts = bytes(range(0x80, 0xC0))
    long = [bytes([first]) + bytes(size - 1) for first in firsts for size in (1473, 1501, 9000)]
    return long + [b""] * len(long)


def unauthenticated() -> list[bytes]:
    """Media, DTLS and STUN, sound and torn, as a stranger makes them."""
    chance = chance_of(2)
    stun = struct.pack("!HHI12s", 1, 8, COOKIE, bytes(12))
    return [
        b"\x80\x60" + chance.randbytes(1000),
        b"\x80\xc9" + chance.randbytes(60),
        *foreign_dtls().values(),
        struct.pack("!HHI12s", 1, 0, COOKIE, bytes(12)),
        stun + b"\x00\x20\x00\x08",
        stun + b"\x00\x06\x00\x03abc\0",
        struct.pack("!HHI12s", 0x101, 0, COOKIE, chance.randbytes(12)),
        chance.randbytes(200),
    ]


class Stranger(Actor):
    """Sends datagrams from an address that has no part in any call."""

    def spray(self, addresses: list[tuple[str, int]], datagrams: int, rate: float) -> int:
        """Send so many, ``rate`` a second, to each address in turn; return how many went."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((STRANGE_ADDRESS, 0))
            packets, places = cycle(unauthenticated()), cycle(addresses)
            sent, begun = 0, time.monotonic()
            while sent < datagrams:
                for _ in range(min(datagrams, round(rate * (time.monotonic() - begun))) - sent):
                    udp.sendto(next(packets), next(places))
                    sent += 1
                time.sleep(BATCH_S)
            return sent


class Flooder(Actor):
    """A caller who passed every check, and then sends as much as it can through its own socket."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._number = 0

    async def join(self, room: str) -> tuple[str, int]:
        """Call; return where the node takes its packets."""
        self._publisher = self._site.publisher(room, clip())
        await self._publisher.start()
        dtls = self._peer._transports[0]  # noqa: SLF001 -- an attacker's own call
        send = dtls._send_rtp  # noqa: SLF001 -- same

        async def send_and_note(packet: bytes) -> None:
            if is_rtp(packet):
                self._number = int.from_bytes(packet[2:4], "big")
            await send(packet)

        replace(dtls, "_send_rtp", send_and_note)
        await asyncio.sleep(1.0)
        await self._publisher._source.stop()  # noqa: SLF001 -- same
        address = self._peer.remote_address
        assert address is not None
        return address

    async def flood(self, kind: str, packets: int, rate: float) -> int:
        """Send so many packets, ``garbage`` or ``valid`` SRTP; return how many went."""
        made = {"garbage": self._garbage, "valid": self._valid}[kind]()
        dtls = self._peer._transports[0]  # noqa: SLF001 -- an attacker's own call
        pair = next(iter(dtls.transport._connection._nominated.values()))  # noqa: SLF001 -- same
        descriptor = os.dup(pair.protocol.transport.get_extra_info("socket").fileno())
        sent, begun = 0, time.monotonic()
        with socket.socket(fileno=descriptor) as udp:  # goes on when the call has ended
            while sent < packets:
                for _ in range(min(packets, round(rate * (time.monotonic() - begun))) - sent):
                    with suppress(BlockingIOError, ConnectionError):
                        udp.sendto(next(made), pair.remote_addr)
                    sent += 1
                await asyncio.sleep(BATCH_S)
        return sent

    async def leave(self) -> None:
        """End the call."""
        await self._publisher.stop()

    @property
    def _peer(self) -> Peer:
        return self._publisher._connection.peer  # noqa: SLF001 -- an attacker's own call

    def _garbage(self) -> Iterator[bytes]:
        chance = chance_of(3)
        while True:
            yield b"\x80\x60" + chance.randbytes(PAYLOAD)

    def _valid(self) -> Iterator[bytes]:
        (sending,) = self._peer._pc.getTransceivers()  # noqa: SLF001 -- an attacker's own call
        protect = self._peer._transports[0]._tx_srtp.protect  # noqa: SLF001 -- same
        kind, source = sending._codecs[0].payloadType, sending.sender._ssrc  # noqa: SLF001 -- same
        for number in count(self._number + 1):
            header = struct.pack("!BBHLL", 0x80, kind, number & 0xFFFF, 90 * number & 0xFFFFFFFF, source)
            yield protect(header + b"\x10" + bytes(PAYLOAD))
