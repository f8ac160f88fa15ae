"""Sockets for media: ports, addresses, TLS by address."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from guard.core.errors import CapacityError
from guard.media.ice.sockets import bound_socket, primary_addresses, tls_towards
from guard.media.transport import machine_addresses
from guard.web.certificate import make_certificate, open_certificate

pytestmark = pytest.mark.media


@pytest.fixture
def port() -> int:
    """A port of 127.0.0.1 that is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_sockets_take_the_ports_of_the_range_until_none_is_free(port: int):
    first = bound_socket("127.0.0.1", port, port)
    assert first.getsockname() == ("127.0.0.1", port)
    assert first.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 200_000
    with pytest.raises(
        CapacityError, match=rf"expected a free one of {port} to {port} at 127\.0\.0\.1, got none; widen"
    ):
        bound_socket("127.0.0.1", port, port)
    first.close()
    bound_socket("127.0.0.1", port, port).close()


def test_without_a_range_any_port_will_do():
    first, second = bound_socket("127.0.0.1", 0, 0), bound_socket("::1", 0, 0)
    assert first.getsockname()[1] > 0
    assert second.getsockname()[1] > 0
    first.close()
    second.close()


def test_an_address_of_another_machine_is_told():
    with pytest.raises(OSError, match="assign requested address"):
        bound_socket("192.0.2.99", 40_000, 40_010)


def test_the_primary_addresses_are_of_this_machine():
    assert set(primary_addresses()) <= set(machine_addresses())


async def test_tls_checks_the_name_though_an_address_is_connected_to(tmp_path: Path):
    now = datetime.now(UTC)  # noqa: TID251 -- OpenSSL has no other clock
    made = await asyncio.to_thread(make_certificate, tmp_path, (), now)
    context = await asyncio.to_thread(open_certificate, made.cert, made.key)
    named: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: named.append(name)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    async def connect(host: str) -> None:
        ours = await tls_towards(host)
        await asyncio.to_thread(ours.load_verify_locations, made.cert)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ours)
        writer.close()
        await writer.wait_closed()

    await connect("localhost")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"turn\.example"):
        await connect("turn.example")
    assert named == ["localhost", "turn.example"]
    server.close()
    await server.wait_closed()
