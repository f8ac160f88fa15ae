"""Looks up the .local names behind which browsers hide their addresses (RFC 6762).

aioice has a resolver of its own, which with dnspython 2.9 drops every answer of Chromium's, and which listens
as long as a call lasts.
"""

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype

from guard.core.units import Seconds
from guard.core.windows import Bucket
from guard.media.gates import MAX_DATAGRAM

if TYPE_CHECKING:
    from dns.rdata import Rdata

GROUP: Final = ("224.0.0.251", 5353)
QUERIES: Final = ("A", "AAAA")

TRIES: Final = 3
INTERVAL: Seconds = 1.0
"""Between queries; whoever has announced a name answers no more often (RFC 6762 section 6)."""

HEADER: Final = struct.Struct(">4x4H")
"""How many records of each kind follow (RFC 1035 section 4.1.1)."""

MAX_RECORDS: Final = 4
"""In an answer; browsers put two into one. Reading that many names of 127 labels each takes 9 ms."""

READ_PER_S: Final = 20
"""Datagrams read in one look-up that might be the answer; everybody in this network hears our question."""

FAMILIES: Final = {dns.rdatatype.A: socket.AF_INET, dns.rdatatype.AAAA: socket.AF_INET6}


async def look_up(name: str) -> str | None:
    """The address that the first in this network gives for a name, None after three seconds without one.

    The network is that of the default route. Raise OSError where nothing can be multicast.
    """
    loop = asyncio.get_running_loop()
    answers = _Answers(name, loop.create_future())
    transport, _ = await loop.create_datagram_endpoint(lambda: answers, sock=_multicast_socket())
    try:
        for _ in range(TRIES):
            for record in QUERIES:
                transport.sendto(query(name, record), GROUP)
            done, _ = await asyncio.wait([answers.address], timeout=INTERVAL)
            if done:
                return answers.address.result()
        return None
    finally:
        transport.close()


def query(name: str, record: str) -> bytes:
    """A question for the address of a name, as multicast wants it (RFC 6762 section 18)."""
    message = dns.message.make_query(name, record, flags=dns.flags.Flag(0), id=0)
    return message.to_wire()


def address_in(datagram: bytes, name: str) -> str | None:
    """The address that an answer gives for a name; None for anything else."""
    try:
        # A browser also says which records there are not, compressed as dnspython does not expect it.
        message = dns.message.from_wire(datagram, continue_on_error=True, one_rr_per_rrset=True)
        wanted = dns.name.from_text(name)
    except (dns.exception.DNSException, ValueError):
        return None
    found = (rdata for rrset in message.answer if rrset.name == wanted for rdata in rrset)
    return next(filter(None, map(_address, found)), None)


def may_answer(datagram: bytes, name: str) -> bool:
    """Whether a datagram is worth reading: short, with few records, the name's first label among them."""
    if not HEADER.size <= len(datagram) <= MAX_DATAGRAM or sum(HEADER.unpack_from(datagram)) > MAX_RECORDS:
        return False
    return name.partition(".")[0].lower().encode() in datagram.lower()


def _address(rdata: "Rdata") -> str | None:
    family = FAMILIES.get(rdata.rdtype)
    try:
        return None if family is None else socket.inet_ntop(family, rdata.to_generic().data)
    except ValueError:  # not as long as an address
        return None


def _multicast_socket() -> socket.socket:
    """A socket that hears the group, beside others that do."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        udp.bind(("", GROUP[1]))
        everywhere = socket.inet_aton("0.0.0.0")  # noqa: S104 -- the interface is left to the system
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP[0]) + everywhere)
    except OSError:
        udp.close()
        raise
    return udp


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, name: str, address: "asyncio.Future[str]") -> None:
        self.address = address
        self._name = name
        self._readable = Bucket(READ_PER_S, READ_PER_S)

    def datagram_received(self, datagram: bytes, source: tuple[Any, ...]) -> None:
        # Who answers does so from the port of multicast DNS (RFC 6762 section 6).
        if self.address.done() or source[1] != GROUP[1] or not may_answer(datagram, self._name):
            return
        if self._readable.take(1, self.address.get_loop().time()):
            address = address_in(datagram, self._name)
            if address is not None:
                self.address.set_result(address)
