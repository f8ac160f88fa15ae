"""An HTTP server with a small app, and its callers on loopback."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from guard.config import WebSettings
from guard.web.limits import BodyLimit
from guard.web.server import HttpServer

if TYPE_CHECKING:
    from guard.web.connections import Cut

GET = b"GET /who HTTP/1.1\r\nHost: guard\r\n\r\n"
LAST_GET = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
SLOW_POST = b"POST /echo HTTP/1.1\r\nHost: guard\r\nContent-Length: 10\r\n\r\nv="
SHORT = {"header_timeout_s": 0.3, "body_timeout_s": 0.3}

PATIENCE = 5.0

Caller = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Site:
    """A server with a small app, and what it cut."""

    def __init__(self, **web: object) -> None:
        self.app = FastAPI()
        self.app.add_middleware(BodyLimit, limit=1000)
        self.app.get("/who")(self.who)
        self.app.post("/echo")(self.echo)
        self.app.get("/late")(self.late)
        self.app.get("/stream")(self.stream)
        self.cut: Counter[Cut] = Counter()
        self.reached = 0
        self.free = asyncio.Event()
        settings = WebSettings.model_validate({"port": 0} | web)
        self.server = HttpServer(self.app, settings, lambda why: self.cut.update([why]))

    async def who(self, request: Request) -> str:
        assert request.client
        return f"{request.url.scheme} {request.client.host}"

    async def echo(self, request: Request) -> str:
        self.reached += 1
        return (await request.body()).decode()

    async def late(self) -> str:
        await self.free.wait()
        return "late"

    async def stream(self) -> StreamingResponse:
        async def ticks() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 65536
                await asyncio.sleep(0)

        return StreamingResponse(ticks())

    @asynccontextmanager
    async def caller(
        self, *, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[Caller]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.server.port, local_addr=(source, 0), ssl=tls
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def says(self, *sent: bytes, source: str = "127.0.0.1") -> str:
        """All that a connection gives until the server closes it."""
        async with self.caller(source=source) as (reader, writer):
            writer.writelines(sent)
            return (await reader.read()).decode()


@asynccontextmanager
async def site(**web: object) -> AsyncIterator[Site]:
    made = Site(**web)
    async with made.server:
        yield made


def assert_refused(said: str, status: str, words: str) -> None:
    assert said.startswith(f"HTTP/1.1 {status}\r\n")
    assert "content-type: application/problem+json\r\n" in said.lower()
    assert "connection: close\r\n" in said.lower()
    assert words in said
