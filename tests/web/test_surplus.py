"""Surplus connections: who is one too many hears so, and hinders nobody."""

import asyncio
import socket

import pytest

from guard.web import connections
from guard.web.connections import Cut, caller_of
from tests.support.media import eventually
from tests.support.site import GET, LAST_GET, PATIENCE, assert_refused, site

pytestmark = [pytest.mark.media, pytest.mark.peers]


async def test_more_connections_than_one_address_may_have():
    async with site(connections_per_address=2) as here, here.caller(), here.caller():
        said = await here.says(source="127.0.0.1")
        assert_refused(said, "503 Service Unavailable", "fewer connections")
        assert "retry-after: 5\r\n" in said.lower()
        assert here.cut == {Cut.ADDRESS: 1}
        assert (await here.says(LAST_GET, source="127.0.0.2")).startswith("HTTP/1.1 200 ")


async def test_more_connections_than_there_may_be():
    async with site(connections=2) as here, here.caller(), here.caller(source="127.0.0.2"):
        assert_refused(await here.says(source="127.0.0.3"), "503 Service Unavailable", "fewer connections")
        assert here.cut == {Cut.TOTAL: 1}


async def test_a_refused_caller_who_had_begun_to_send_reads_why():
    body = b"v" * 200_000
    head = GET.replace(b"GET /who", b"POST /echo").replace(b"\r\n\r\n", b"\r\nContent-Length: 200000\r\n\r\n")

    def post(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as caller:
            caller.sendall(head + body)
            return b"".join(iter(lambda: caller.recv(65536), b""))

    async with site(connections=1) as here, here.caller():
        await eventually(lambda: here.server._reception._open)
        for _ in range(20):
            said = await asyncio.to_thread(post, here.server.port)
            assert_refused(said.decode(), "503 Service Unavailable", "fewer connections")


async def test_refused_callers_who_stay_are_closed_and_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "REFUSAL_ENDS", 0.2)
    monkeypatch.setattr(connections, "MOST_REFUSALS", 1)
    async with site(connections=1) as here, here.caller():
        await eventually(lambda: here.server._reception._open)
        async with here.caller() as (first, _):
            assert b" 503 " in await first.readline()
            assert await here.says() == ""
            await eventually(lambda: not here.server._reception._refusals)
        assert " 503 " in await here.says()


@pytest.mark.parametrize(
    ("address", "caller"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::/64"),
        ("2001:db8::ffff:0:0:8", "2001:db8::/64"),
        ("2001:db8:0:1::7", "2001:db8:0:1::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::7%eth0", "fe80::7%eth0"),
    ],
)
async def test_what_counts_as_one_caller(address: str, caller: str):
    assert caller_of(address) == caller


async def test_a_network_of_one_caller_counts_as_one():
    async with site(connections_per_address=1) as here:
        reception = here.server._reception
        waiting = asyncio.create_task(asyncio.sleep(0))
        reception._open[waiting] = caller_of("2001:db8::1")
        assert reception._full("2001:db8::ffff") is Cut.ADDRESS
        assert reception._full("2001:db8:0:1::1") is None
        reception._open.clear()
        await waiting


async def test_a_connection_that_ends_makes_room():
    async with site(connections=1) as here:
        async with here.caller() as (_, writer):
            writer.write(GET)
            assert_refused(await here.says(), "503 Service Unavailable", "fewer connections")
        await eventually(lambda: not here.server._reception._open)
        assert (await here.says(LAST_GET)).startswith("HTTP/1.1 200 ")
