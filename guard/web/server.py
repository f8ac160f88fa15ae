"""The HTTP server of one node, inside the running event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI

from guard.config import WebSettings
from guard.core.errors import EnvironmentProblem
from guard.core.units import Seconds

DRAIN: Seconds = 3.0
"""Requests in hand get so long to end."""


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the process it lives in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class HttpServer:
    """Serves an app on ``web.host``:``web.port``; port 0 takes a free one, known after ``start``."""

    def __init__(self, app: FastAPI, web: WebSettings) -> None:
        self._web = web
        self._server = _Quiet(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=int(DRAIN),
            )
        )
        self._serving: asyncio.Task[None] | None = None
        self.port = web.port

    @property
    def url(self) -> str:
        """Address of the root."""
        host = f"[{self._web.host}]" if ":" in self._web.host else self._web.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen: from here on connections are taken; raise EnvironmentProblem where that cannot be."""
        listener = await self._listen()
        self.port = listener.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="http")

    async def stop(self) -> None:
        """Let requests in hand end and stop listening."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _listen(self) -> socket.socket:
        web = self._web
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(web.host, web.port, type=socket.SOCK_STREAM)
            family, _, _, _, address = found[0]
            return socket.create_server(address, family=family)
        except OSError as error:
            msg = (
                f"{self.url}: expected an address to listen on, got: {error.strerror}; "
                f"set web.host and web.port"
            )
            raise EnvironmentProblem(msg) from error
