"""Sockets and eyes of the bench: who sprays, who listens, and how much memory was seen in use."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import httpx

from bench.relaying.process import Worker

SPRAY_EVERY_S = 0.002
PORTS = 200
SAMPLE_S = 0.02


class Most:
    """The most resident memory that a process was seen with."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.rss_mib = worker.rss_mib()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look again and again."""
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait([looking])

    async def _look(self) -> None:
        while True:
            self.rss_mib = max(self.rss_mib, self._worker.rss_mib())
            await asyncio.sleep(SAMPLE_S)


class Sprayer(httpx.AsyncHTTPTransport):
    """Sends a datagram to the ports of an answer, before and after the caller has it, until closed."""

    def __init__(self, datagram: bytes) -> None:
        super().__init__()
        self.sent = 0
        self._datagram = datagram
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._spraying: asyncio.Task[None] | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Read an answer first."""
        response = await super().handle_async_request(request)
        if request.method != "POST":
            return response
        body = await response.aread()
        found = re.findall(rb"a=candidate:\S+ 1 udp \d+ (\S+) (\d+)", body)
        places = [(host.decode(), int(port)) for host, port in found]
        self._send(places)
        self._spraying = asyncio.create_task(self._spray(places))
        return httpx.Response(response.status_code, headers=response.headers, content=body)

    def _send(self, places: list[tuple[str, int]]) -> None:
        for place in places * 10:
            self._udp.sendto(self._datagram, place)
            self.sent += 1

    async def _spray(self, places: list[tuple[str, int]]) -> None:
        while True:
            await asyncio.sleep(SPRAY_EVERY_S)
            self._send(places)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._spraying is not None:
            self._spraying.cancel()
        self._udp.close()


class Ports:
    """UDP sockets on loopback that nobody should be made to send to."""

    def __init__(self) -> None:
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(PORTS)]

    def __enter__(self) -> Self:
        for number, udp in enumerate(self._sockets):
            udp.setblocking(False)  # noqa: FBT003 -- its only argument
            udp.bind((f"127.0.1.{1 + number}", 0))
        return self

    def __exit__(self, *_: object) -> None:
        for udp in self._sockets:
            udp.close()

    @property
    def candidates(self) -> list[str]:
        """Each as an ICE candidate."""
        places = (udp.getsockname() for udp in self._sockets)
        return [
            f"candidate:{number} 1 udp 2130706431 {host} {port} typ host"
            for number, (host, port) in enumerate(places)
        ]

    def probed(self) -> int:
        """To how many something was sent."""
        return sum(map(_has_heard, self._sockets))


def _has_heard(udp: socket.socket) -> bool:
    try:
        return bool(udp.recv(2048))
    except BlockingIOError:
        return False
