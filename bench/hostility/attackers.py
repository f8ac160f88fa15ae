"""Who sends what nobody asked for: strangers, and a caller who floods; processes of their own."""

import asyncio
import os
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from OpenSSL import SSL

from bench.hostility.callers import Site, TimedClip, chance_of, clip
from bench.relaying.process import Actor
from guard.media.assembler import AccessUnit
from guard.media.gates import is_rtp
from guard.media.ice.private import replace
from guard.media.transport import Peer

COOKIE = 0x2112A442
STRANGE_ADDRESS = "127.0.0.3"
BATCH = 30
BATCH_S = 0.002
WAITING_BYTES = 65_536
"""Of kernel memory for a socket's datagrams, 200 KiB by default; who has more waiting is not sent more."""

PLAYED_S = 1.0
PAYLOAD = 160
"""Bytes of a flooding packet: the packets are to be limited, not their bytes."""

TICKS = 3000
"""Of RTP time from picture to picture."""


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


@dataclass(frozen=True, slots=True)
class Sent:
    """What an attacker managed to send."""

    datagrams: int
    """That the system took."""
    seconds: float


class Pace:
    """So many datagrams a second, caught up with after delays; ``sent`` are those that the system took."""

    def __init__(self, datagrams: int, rate: float) -> None:
        self.sent = 0
        self._datagrams = datagrams
        self._rate = rate
        self._begun = time.monotonic()

    @property
    def ended(self) -> bool:
        """Whether all are sent."""
        return self.sent >= self._datagrams

    def due(self) -> int:
        """How many to send now."""
        return min(self._datagrams, round(self._rate * (time.monotonic() - self._begun))) - self.sent

    def done(self) -> Sent:
        """What was sent, and for how long."""
        return Sent(self.sent, time.monotonic() - self._begun)


class Stranger(Actor):
    """Sends datagrams from an address that has no part in any call."""

    def spray(
        self, addresses: list[tuple[str, int]], datagrams: int, rate: float, *, patient: bool = False
    ) -> Sent:
        """Send so many, at most ``rate`` a second, to each address in turn.

        Who is ``patient`` waits while much waits for the node: what the kernel drops, the node never read.
        """
        pace, ports = Pace(datagrams, rate), {port for _, port in addresses}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((STRANGE_ADDRESS, 0))
            packets, places = cycle(unauthenticated()), cycle(addresses)
            while not pace.ended:
                due = min(pace.due(), BATCH) if patient else pace.due()
                if due <= 0 or (patient and waiting(ports) > WAITING_BYTES):
                    time.sleep(BATCH_S / 4)
                    continue
                for _ in range(due):
                    udp.sendto(next(packets), next(places))
                    pace.sent += 1
        return pace.done()


def waiting(ports: set[int]) -> int:
    """The most kernel memory that the datagrams waiting at one of these UDP ports take, bytes."""
    rows = (line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:])
    filled = (int(row[4].partition(":")[2], 16) for row in rows if int(row[1].partition(":")[2], 16) in ports)
    return max(filled, default=0)


class Insider:
    """A caller who passed every check, and then sends packets of its own making."""

    def __init__(self, site: Site, room: str, units: list[AccessUnit]) -> None:
        self.source = TimedClip(units)
        self.publisher = site.publisher(room, self.source)
        self._number = self._timestamp = self._ssrc = 0

    async def join(self) -> str:
        """Call, and send what it should for a second; return where it can be watched."""
        await self.publisher.start()
        dtls = self._peer._transports[0]  # noqa: SLF001 -- an attacker's own call
        (sending,) = self._peer._pc.getTransceivers()  # noqa: SLF001 -- same
        send = dtls._send_rtp  # noqa: SLF001 -- same
        self._type, self._ssrc = sending._codecs[0].payloadType or 0, sending.sender._ssrc  # noqa: SLF001 -- same
        self._protect = dtls._tx_srtp.protect  # noqa: SLF001 -- same

        async def send_and_note(packet: bytes) -> None:
            if is_rtp(packet) and int.from_bytes(packet[8:12], "big") == self._ssrc:
                self._number, self._timestamp = struct.unpack_from("!HL", packet, 2)
            await send(packet)

        replace(dtls, "_send_rtp", send_and_note)
        await asyncio.sleep(PLAYED_S)
        assert self.publisher.watch_url is not None
        return self.publisher.watch_url

    async def hush(self) -> None:
        """Send nothing more of what it should."""
        await self.source.stop()

    def made(self, payload: bytes, *, marker: bool) -> bytes:
        """The next packet of its stream; behind a marked one a new picture begins."""
        self._number += 1
        kind, number = self._type | 128 * marker, self._number & 0xFFFF
        header = struct.pack("!BBHLL", 0x80, kind, number, (self._timestamp + TICKS) & 0xFFFFFFFF, self._ssrc)
        self._timestamp += TICKS * marker
        return self._protect(header + payload)

    def socket(self) -> tuple[socket.socket, tuple[str, int]]:
        """Its own socket, which goes on when the call has ended, and where the node is."""
        pair = next(iter(self._peer._transports[0].transport._connection._nominated.values()))  # noqa: SLF001 -- an attacker's own call
        descriptor = os.dup(pair.protocol.transport.get_extra_info("socket").fileno())
        return socket.socket(fileno=descriptor), pair.remote_addr

    @property
    def _peer(self) -> Peer:
        return self.publisher._connection.peer  # noqa: SLF001 -- an attacker's own call


class Flooder(Actor):
    """An insider who sends as much as it can."""

    def __init__(self, site: Site, room: str) -> None:
        self._caller = Insider(site, room, clip())

    async def join(self) -> str:
        """Call; return where it can be watched."""
        return await self._caller.join()

    async def flood(self, kind: str, packets: int, rate: float) -> Sent:
        """Send so many packets, ``garbage``, ``valid`` SRTP, or ``tiny`` pictures."""
        await self._caller.hush()
        makers = {"garbage": self._garbage, "valid": self._valid, "tiny": self._tiny}
        made, pace = makers[kind](), Pace(packets, rate)
        udp, address = self._caller.socket()
        with udp:
            while not pace.ended:
                self._send(udp, address, made, pace)
                await asyncio.sleep(BATCH_S)
        return pace.done()

    @staticmethod
    def _send(udp: socket.socket, address: tuple[str, int], made: Iterator[bytes], pace: Pace) -> None:
        for _ in range(pace.due()):
            try:
                udp.sendto(next(made), address)
            except BlockingIOError:
                return
            pace.sent += 1

    async def leave(self) -> None:
        """End the call."""
        await self._caller.publisher.stop()

    def _garbage(self) -> Iterator[bytes]:
        chance = chance_of(3)
        while True:
            yield b"\x80\x60" + chance.randbytes(PAYLOAD)

    def _valid(self) -> Iterator[bytes]:
        """Packets that each begin a part of one endless picture, no keyframe."""
        while True:
            yield self._caller.made(b"\x10\x01" + bytes(PAYLOAD), marker=False)

    def _tiny(self) -> Iterator[bytes]:
        """Pictures of a packet each, of which no decoder makes anything."""
        while True:
            yield self._caller.made(b"\x10\x01\0\0", marker=True)
