"""Our sockets for media: their ports, their addresses, and TLS towards TURN servers."""

import asyncio
import errno
import secrets
import socket
import ssl

from guard.core.errors import CapacityError

RECEIVE_BUFFER = 1 << 18

DOCUMENTATION = ("192.0.2.1", "2001:db8::1")
"""RFC 5737, RFC 3849: nobody's addresses, to which only the default route leads."""


def bound_socket(address: str, port_min: int, port_max: int) -> socket.socket:
    """A UDP socket at this address, on a port of the range, from a random one on; 0: on any port.

    Raise CapacityError where every port is taken, OSError where the address is not of this machine.
    """
    udp = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.setblocking(False)  # noqa: FBT003 -- its only argument
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        _bind(udp, address, port_min, port_max)
    except (OSError, CapacityError):
        udp.close()
        raise
    return udp


def primary_addresses() -> tuple[str, ...]:
    """Our address on the interface of the default route, of IPv4 and of IPv6 where there is one."""
    return tuple(address for address in map(_address_towards, DOCUMENTATION) if address is not None)


def _address_towards(peer: str) -> str | None:
    """Where packets to a peer would leave from; none is sent: a UDP socket only notes whom it is for."""
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            udp.connect((peer, 9))
            return str(udp.getsockname()[0])
    except OSError:  # no such route
        return None


def _bind(udp: socket.socket, address: str, port_min: int, port_max: int) -> None:
    count = port_max - port_min + 1
    start = secrets.randbelow(count)
    for step in range(count):
        try:
            return udp.bind((address, port_min + (start + step) % count))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    msg = (
        f"media ports: expected a free one of {port_min} to {port_max} at {address}, got none; "
        f"widen ice.port_min and ice.port_max (a call takes one port an address), or try later"
    )
    raise CapacityError(msg)


class _TlsTowards(ssl.SSLContext):
    """Connects to an address, and has the certificate name ``host`` all the same."""

    host: str | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 -- as in the class above
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self.host or server_hostname, session)


async def tls_towards(host: str) -> ssl.SSLContext:
    """TLS by the system's authorities to a host that is reached by its address."""
    context = _TlsTowards(ssl.PROTOCOL_TLS_CLIENT)
    context.host = host
    await asyncio.to_thread(context.load_default_certs)  # from the disk
    return context
