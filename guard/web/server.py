"""The HTTP server of one node, inside the running event loop."""

import asyncio
import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI

from guard.config import WebSettings
from guard.core.errors import EnvironmentProblem
from guard.core.units import Seconds

START_POLL: Seconds = 0.01
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
                host=web.host,
                port=web.port,
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
        return f"http://{self._web.host}:{self.port}"

    async def start(self) -> None:
        """Listen; raise EnvironmentProblem where the address is taken."""
        self._serving = asyncio.create_task(self._serve(), name="http")
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(START_POLL)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

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

    async def _serve(self) -> None:
        try:
            await self._server.serve()
        except SystemExit as error:
            # uvicorn leaves the process where it cannot listen
            msg = f"{self._web.host}:{self._web.port}: expected a free address, it is taken; set web.port"
            raise EnvironmentProblem(msg) from error
