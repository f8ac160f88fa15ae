"""Connections: slow ones are cut and hinder nobody, and the end comes in time."""

import asyncio
import errno
import socket
import ssl
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from guard.web import connections
from guard.web.certificate import make_certificate
from guard.web.connections import Cut
from tests.support.media import eventually
from tests.support.site import GET, LAST_GET, PATIENCE, SHORT, SLOW_POST, assert_refused, site

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.media, pytest.mark.peers]


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, Path]:
    made = make_certificate(tmp_path, [], datetime.now(UTC))  # noqa: TID251 -- OpenSSL looks at the date, too
    return {"tls_cert": made.cert, "tls_key": made.key}


async def test_a_head_that_is_not_there_in_time():
    async with site(**SHORT) as here:
        said = await here.says(GET[:-5])
        assert_refused(said, "408 Request Timeout", "the request's head within 0.3 s")
        assert here.cut == {Cut.HEAD: 1}


async def test_a_head_that_drips_gains_no_time():
    async with site(**SHORT) as here, here.caller() as (reader, writer):
        said = asyncio.create_task(reader.read())
        for byte in GET[:-1] * 100:
            writer.write(bytes([byte]))
            await asyncio.wait({said}, timeout=0.02)
            if said.done():
                break
        with suppress(ConnectionResetError):  # a byte under way when the answer came
            assert_refused((await said).decode(), "408 Request Timeout", "head")
        assert here.cut == {Cut.HEAD: 1}


async def test_a_connection_that_says_nothing_hears_nothing():
    async with site(**SHORT) as here:
        assert await here.says() == ""
        assert not here.cut


async def test_a_second_head_that_is_not_there_in_time():
    async with site(**SHORT) as here:
        said = await here.says(GET, GET[:-5])
        assert said.startswith("HTTP/1.1 200 OK\r\n")
        assert_refused(said[said.index("HTTP/1.1 408") :], "408 Request Timeout", "head")


async def test_a_second_request_on_a_connection():
    async with site() as here:
        said = await here.says(GET, LAST_GET)
        assert said.count("http 127.0.0.1") == 2
        assert said.count("\r\ndate: ") == 2


async def test_a_body_that_is_not_there_in_time():
    async with site(**SHORT) as here:
        said = await here.says(SLOW_POST)
        assert_refused(said, "408 Request Timeout", "the request's body within 0.3 s")
        assert here.cut == {Cut.BODY: 1}
        assert here.reached == 0


async def test_the_body_of_a_second_request_that_came_with_the_first():
    async with site(**SHORT) as here:
        said = await here.says(GET, SLOW_POST)
        assert_refused(said[said.index("HTTP/1.1 408") :], "408 Request Timeout", "body")


async def test_a_body_that_nobody_waits_for_is_cut_without_a_word():
    async with site(**SHORT) as here:
        said = await here.says(SLOW_POST.replace(b": 10", b": 1001"))
        assert said.count("HTTP/1.1 ") == said.count("HTTP/1.1 413 ") == 1
        assert here.cut == {Cut.BODY: 1}


async def test_an_answer_may_take_longer_than_the_request():
    async with site(**SHORT) as here, here.caller() as (reader, writer):
        writer.write(LAST_GET.replace(b"/who", b"/late"))
        assert await here.says(GET[:-5])  # cut: as much time went by as a request has
        here.free.set()
        assert b"late" in await reader.read()


async def test_what_is_no_http():
    async with site() as here:
        said = await here.says(b"\x16\x03\x01\x02\x00\r\n\r\n")
        assert_refused(said, "400 Bad Request", "expected an HTTP/1.1 request")


async def test_what_is_no_http_behind_an_answer_is_cut_without_a_word():
    async with site() as here, here.caller() as (reader, writer):
        head = b"POST /echo HTTP/1.1\r\nHost: guard\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"3e9\r\n" + b"v" * 1001 + b"\r\n")
        assert b" 413 " in await reader.readline()
        writer.write(b"no chunk\r\n")
        assert b"HTTP/1.1" not in await reader.read()


async def test_an_upgrade_is_not_taken():
    async with site() as here:
        upgrade = b"\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n"
        assert (await here.says(GET.replace(b"\r\n\r\n", upgrade))).startswith("HTTP/1.1 200 ")


async def test_a_trusted_proxy_speaks_for_many():
    async with site(connections_per_address=1, trusted_proxies=["127.0.0.0/24"]) as here, here.caller():
        forwarded = b"\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
        said = await here.says(LAST_GET.replace(b"\r\n", forwarded, 1))
        assert "https 192.0.2.7" in said


@pytest.mark.parametrize("trusted", [[], ["127.0.0.2"]])
async def test_anybody_else_speaks_for_nobody(trusted: list[str]):
    async with site(trusted_proxies=trusted) as here:
        forwarded = b"\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
        said = await here.says(LAST_GET.replace(b"\r\n", forwarded, 1))
        assert "http 127.0.0.1" in said


async def test_https(tls: dict[str, Path]):
    async with site(**tls) as here:
        assert here.server.url == f"https://127.0.0.1:{here.server.port}"
        trusting = ssl.create_default_context(cafile=tls["tls_cert"])
        async with httpx.AsyncClient(verify=trusting, trust_env=False) as client:
            assert (await client.get(f"{here.server.url}/who")).json() == "https 127.0.0.1"


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"])
async def test_a_handshake_that_is_not_done_in_time(tls: dict[str, Path], sent: bytes):
    async with site(**tls, **SHORT) as here:
        assert await here.says(sent) == ""
        await eventually(lambda: here.cut == {Cut.HANDSHAKE: 1})


async def test_http_where_https_is_spoken(tls: dict[str, Path]):
    async with site(**tls) as here:
        assert "200" not in await here.says(GET)
        await eventually(lambda: here.cut == {Cut.HANDSHAKE: 1})


async def test_a_handshake_counts_as_a_connection(tls: dict[str, Path]):
    async with site(**tls, connections=1) as here, here.caller():
        assert await here.says() == ""
        assert here.cut == {Cut.TOTAL: 1}


async def test_a_slow_head_by_https(tls: dict[str, Path]):
    async with site(**tls, **SHORT) as here:
        trusting = ssl.create_default_context(cafile=tls["tls_cert"])
        async with here.caller(tls=trusting) as (reader, writer):
            writer.write(GET[:-5])
            assert_refused((await reader.read()).decode(), "408 Request Timeout", "head")


async def test_a_caller_who_never_answers_our_goodbye(tls: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "FAREWELL", 0.2)
    trusting = ssl.create_default_context(cafile=tls["tls_cert"])

    def connect(port: int) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", port))
        return trusting.wrap_socket(plain, server_hostname="localhost")

    async with site(**tls, **SHORT) as here:
        with await asyncio.to_thread(connect, here.server.port) as caller:
            caller.sendall(GET[:-5])
            await eventually(lambda: here.cut == {Cut.HEAD: 1})
            await eventually(lambda: not here.server._reception._open)


async def test_a_caller_who_takes_nothing_of_the_answer_is_gone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "UNTAKEN", 0.3)
    async with site() as here:
        with socket.create_connection(("127.0.0.1", here.server.port)) as caller:
            caller.sendall(GET.replace(b"/who", b"/stream"))
            await eventually(lambda: here.server._reception._state.tasks)
            await eventually(lambda: not here.server._reception._open)


async def test_stopping_waits_for_nobody_for_long(tls: dict[str, Path]):
    for web in ({}, tls):
        async with site(**web) as here, AsyncExitStack() as open_ones:
            trusting = ssl.create_default_context(cafile=tls["tls_cert"]) if web else None
            for sent in (
                b"",
                GET[:-5],
                SLOW_POST,
                *(GET.replace(b"who", path) for path in (b"late", b"stream")),
            ):
                _, writer = await open_ones.enter_async_context(here.caller(tls=trusting))
                writer.write(sent)
            if web:
                await open_ones.enter_async_context(here.caller())  # its handshake never begins
            await eventually(lambda: len(here.server._reception._state.tasks) == 3)
            async with asyncio.timeout(PATIENCE):
                await here.server.stop(within=0.5)
            assert not here.server._reception._open
            assert not here.server._reception._state.tasks


async def test_stopping_does_not_wait_for_who_asks_nothing():
    async with site() as here, here.caller() as (idle, writer), here.caller() as (slow, _):
        writer.write(GET)
        await idle.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            await here.server.stop(within=10 * PATIENCE)
            await asyncio.gather(idle.read(), slow.read())


async def test_a_request_in_hand_ends_before_the_server_does():
    async with site() as here, here.caller() as (reader, writer):
        writer.write(GET.replace(b"/who", b"/late"))
        await eventually(lambda: here.server._reception._state.tasks)
        stopping = asyncio.create_task(here.server.stop())
        await eventually(lambda: here.server._accepting and here.server._accepting.done())
        here.free.set()
        assert b"late" in await reader.read()
        await stopping


def accept_failing_once(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The machine refuses the first accept."""
    loop = asyncio.get_running_loop()
    accept: Callable[[socket.socket], object] = loop.sock_accept

    def fail(_listener: socket.socket) -> None:
        monkeypatch.setattr(loop, "sock_accept", accept)
        raise OSError(number, "no more")

    monkeypatch.setattr(loop, "sock_accept", fail)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ECONNABORTED])
async def test_what_passes_ends_nothing(monkeypatch: pytest.MonkeyPatch, number: int):
    monkeypatch.setattr(connections, "PAUSE", 0.0)
    accept_failing_once(monkeypatch, number)
    async with site() as here:
        assert (await here.says(LAST_GET)).startswith("HTTP/1.1 200 ")


async def test_two_hundred_slow_connections_hinder_nobody_and_are_all_closed():
    async with (
        site(header_timeout_s=2.0, connections_per_address=1000) as here,
        AsyncExitStack() as open_ones,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        slow = []
        for _ in range(200):
            reader, writer = await open_ones.enter_async_context(here.caller())
            writer.write(GET[:-5])
            slow.append(reader)
        assert (await client.get(f"{here.server.url}/who")).json() == "http 127.0.0.1"
        said = await asyncio.gather(*(reader.read() for reader in slow))
        assert all(one.startswith(b"HTTP/1.1 408 ") for one in said)
        assert here.cut == {Cut.HEAD: 200}
