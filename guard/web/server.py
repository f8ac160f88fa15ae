"""The HTTP server of one node, inside the running event loop."""

import asyncio
import socket
from types import TracebackType
from typing import Self

import structlog
import uvicorn
from fastapi import FastAPI

from guard.config import WebSettings
from guard.core.errors import ConfigError, EnvironmentProblem
from guard.core.units import Seconds
from guard.web.certificate import open_certificate
from guard.web.connections import Cut, OnCut, Reception

logger = structlog.get_logger(__name__)


def _uncounted(_reason: Cut) -> None:
    """For a server whose cuts nobody counts."""


class HttpServer:
    """Serves an app on ``web.host``:``web.port``; port 0 takes a free one, known after ``start``.

    ``on_cut`` is told of each connection that was refused or cut.
    """

    def __init__(self, app: FastAPI, web: WebSettings, on_cut: OnCut = _uncounted) -> None:
        proxies = [str(network) for network in web.trusted_proxies]
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
        )
        config.load()
        self._web = web
        self._reception = Reception(config, web, on_cut)
        self._accepting: asyncio.Task[None] | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._stopping = False
        self.port = web.port

    @property
    def url(self) -> str:
        """Address of the root."""
        host = f"[{self._web.host}]" if ":" in self._web.host else self._web.host
        return f"{'https' if self._web.secure else 'http'}://{host}:{self.port}"

    async def start(self) -> None:
        """Listen: from here on connections are taken.

        Raise ConfigError where certificate or key cannot be used, EnvironmentProblem where nobody can listen.
        """
        await self._load_certificate()
        listener = await self._listen()
        self.port = listener.getsockname()[1]
        self._accepting = asyncio.create_task(self._reception.accept(listener), name="http/accept")
        self._accepting.add_done_callback(lambda _: listener.close())

    async def failed(self) -> None:
        """Wait until ``stop``; raise EnvironmentProblem when connections are taken no more before that."""
        assert self._accepting is not None, "start() comes first"  # noqa: S101 -- a mistake of the caller
        await asyncio.wait({self._accepting})
        if not self._stopping:
            error = None if self._accepting.cancelled() else self._accepting.exception()
            msg = f"{self.url}: expected to take connections until told to stop, got: {error}; start it again"
            raise EnvironmentProblem(msg) from error

    def reload(self) -> None:
        """Read certificate and key again, for new connections; where that fails the old ones stay."""
        self._reloading = asyncio.create_task(self._reload(), name="http/reload")

    async def stop(self, within: Seconds = 3.0) -> None:
        """Take no more connections and let requests in hand end; ``within`` so long all are gone."""
        self._stopping = True
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait({self._accepting})
        if self._reloading is not None:
            self._reloading.cancel()
        await self._reception.close(within)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _load_certificate(self) -> None:
        cert, key = self._web.tls_cert, self._web.tls_key
        if cert and key:
            self._reception.tls = await asyncio.to_thread(open_certificate, cert, key)

    async def _reload(self) -> None:
        try:
            await self._load_certificate()
        except ConfigError as error:
            logger.error("certificate not reloaded, the old one stays", error=str(error))  # noqa: TRY400 -- says it all
        else:
            logger.info("certificate reloaded")

    async def _listen(self) -> socket.socket:
        web = self._web
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(web.host, web.port, type=socket.SOCK_STREAM)
            family, _, _, _, address = found[0]
            listener = socket.create_server(address, family=family, backlog=web.connections)
        except OSError as error:
            msg = (
                f"{self.url}: expected an address to listen on, got: {error.strerror}; "
                f"set web.host and web.port"
            )
            raise EnvironmentProblem(msg) from error
        listener.settimeout(0)
        return listener
