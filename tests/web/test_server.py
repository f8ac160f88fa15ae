"""The HTTP server: where it listens, and what it says when it cannot."""

import asyncio
import errno
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from guard.config import WebSettings
from guard.core.errors import ConfigError, EnvironmentProblem
from guard.web.certificate import Certificate, make_certificate
from guard.web.server import HttpServer

pytestmark = [pytest.mark.media, pytest.mark.peers]


async def test_it_answers_on_a_free_port_until_it_stops():
    async with (
        HttpServer(FastAPI(), WebSettings(port=0)) as server,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        assert server.port > 0
        assert (await client.get(f"{server.url}/openapi.json")).status_code == 200
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{server.url}/openapi.json")


async def test_an_address_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EnvironmentProblem, match=f"127.0.0.1:{port}: .*Address already in use.*web.port"):
            await HttpServer(FastAPI(), WebSettings(port=port)).start()


@pytest.mark.parametrize("host", ["198.51.100.1", "no-such-host.invalid"])
async def test_an_address_that_is_not_ours_is_not_called_taken(host: str):
    with pytest.raises(
        EnvironmentProblem, match=r"expected an address to listen on, got: .*web\.host"
    ) as told:
        await HttpServer(FastAPI(), WebSettings(host=host, port=0)).start()
    assert "in use" not in str(told.value)


async def test_a_certificate_that_cannot_be_used_is_told_before_anybody_listens(tmp_path: Path):
    web = WebSettings(port=0, tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem")
    server = HttpServer(FastAPI(), web)
    with pytest.raises(ConfigError, match=r"web\.tls_cert: .*cert\.pem: No such file"):
        await server.start()
    assert server.port == 0


async def test_it_tells_when_it_ends_by_itself(monkeypatch: pytest.MonkeyPatch):
    def no_more(_listener: socket.socket) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_accept", no_more)
    async with HttpServer(FastAPI(), WebSettings(port=0)) as server:
        with pytest.raises(EnvironmentProblem, match=f"{server.url}: .*Bad file descriptor; start it again"):
            await server.failed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)


async def test_it_does_not_fail_by_being_stopped():
    async with HttpServer(FastAPI(), WebSettings(port=0)) as server:
        waiting = asyncio.create_task(server.failed())
        await asyncio.sleep(0)
    await waiting


async def test_stopping_at_once_leaves_nothing():
    server = HttpServer(FastAPI(), WebSettings(port=0))
    await server.start()
    await server.stop()


def new_certificate(folder: Path) -> Certificate:
    return make_certificate(folder, [], datetime.now(UTC))  # noqa: TID251 -- OpenSSL looks at the date, too


async def serial(server: HttpServer, trusted: Path) -> int:
    """The number of the certificate that the server shows."""
    trusting = await asyncio.to_thread(ssl.create_default_context, cafile=trusted)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trusting)
    shown = writer.get_extra_info("ssl_object").getpeercert()["serialNumber"]
    writer.transport.abort()
    del reader
    return int(shown, 16)


async def test_a_new_certificate_is_shown_to_new_callers_and_a_broken_one_is_not(tmp_path: Path):
    made = await asyncio.to_thread(new_certificate, tmp_path)
    async with HttpServer(FastAPI(), WebSettings(port=0, tls_cert=made.cert, tls_key=made.key)) as server:
        first = await serial(server, made.cert)
        await asyncio.to_thread(new_certificate, tmp_path)
        with capture_logs() as logs:
            server.reload()
            assert server._reloading
            await server._reloading
            second = await serial(server, made.cert)
            assert second != first
            kept = await asyncio.to_thread(made.cert.rename, tmp_path / "kept.pem")
            await asyncio.to_thread(made.cert.write_text, "no certificate")
            server.reload()
            await server._reloading
        assert await serial(server, kept) == second
    assert [(one["log_level"], one["event"]) for one in logs] == [
        ("info", "certificate reloaded"),
        ("error", "certificate not reloaded, the old one stays"),
    ]
    assert "cert.pem" in logs[1]["error"]


def test_an_ipv6_address_stands_in_brackets():
    assert HttpServer(FastAPI(), WebSettings(host="::1", port=80)).url == "http://[::1]:80"
