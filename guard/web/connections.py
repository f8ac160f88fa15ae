"""Connections: how many, from whom, and how long a request may take to arrive."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Collection
from email.utils import formatdate
from enum import StrEnum
from http import HTTPStatus
from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING

import h11
import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from guard.config import WebSettings
from guard.core.units import Seconds
from guard.flow.tasks import Tasks
from guard.web import problems

if TYPE_CHECKING:
    import ssl

logger = structlog.get_logger(__name__)

FAREWELL: Seconds = 2.0
"""By TLS a caller gets so long to answer our goodbye."""

LAST_SHARE = 0.1
"""Of the time to stop: for a request to end once its connection is cut, and again once it is cancelled."""

MOST_REFUSALS = 64
"""Callers who are just told that they are too many; whoever comes beyond is closed without a word."""

REFUSAL_ENDS: Seconds = 1.0
"""What they send is taken for so long: closed with unread input they might lose our answer (RFC 9112 9.6)."""

UNTAKEN: Seconds = 30.0
"""A caller who takes nothing of an answer for so long is gone (TCP_USER_TIMEOUT, RFC 5482)."""

PAUSE: Seconds = 1.0
"""So long no connection is taken when the machine has no file or memory left for one."""

SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Cut(StrEnum):
    """Why a connection was refused or ended by us."""

    TOTAL = "total"
    ADDRESS = "address"
    HANDSHAKE = "handshake"
    HEAD = "head"
    BODY = "body"


AWAITED = {h11.IDLE: Cut.HEAD, h11.SEND_BODY: Cut.BODY}
"""What a caller in this state still owes."""

OnCut = Callable[[Cut], None]
"""Told of each connection that was refused or cut."""


class HttpConnection(H11Protocol):
    """One connection; a request whose head or body is not there in time is cut, with 408 where it has begun.

    The head's time runs from when the caller was accepted (a TLS handshake is part of it) or, on a connection
    kept alive, from the end of the answer before; the body's time runs from the end of the head.
    """

    def __init__(self, config: uvicorn.Config, state: ServerState, web: WebSettings, on_cut: OnCut) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(config, state, {}, loop)
        self.closed = asyncio.Event()
        self._allowed = {Cut.HEAD: web.header_timeout_s, Cut.BODY: web.body_timeout_s}
        self._on_cut = on_cut
        self._awaited: Cut | None = Cut.HEAD
        self._head_due = loop.time() + web.header_timeout_s
        self._timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The beginning, behind the handshake."""
        super().connection_made(transport)
        self._timer = self.loop.call_at(self._head_due, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, from either side."""
        super().connection_lost(exc)
        self._timer.cancel()
        self.closed.set()

    def handle_events(self) -> None:
        """Take in what came, then wait for what is still to come."""
        self.server_state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        super().handle_events()
        awaited = AWAITED.get(self.conn.their_state)
        if awaited is self._awaited:
            return
        self._awaited = awaited
        self._timer.cancel()
        if awaited is not None:
            self._timer = self.loop.call_later(self._allowed[awaited], self._late)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, as problem details."""
        self._end(answer(HTTPStatus.BAD_REQUEST, f"expected an HTTP/1.1 request, got: {msg}"))

    def _late(self) -> None:
        assert self._awaited is not None  # noqa: S101 -- the timer runs for what is awaited only
        if self._awaited is Cut.HEAD and not self.conn.trailing_data[0]:
            self._end(b"")  # browsers connect ahead, and would show an answer that they never asked for
            return
        self._on_cut(self._awaited)
        allowed = self._allowed[self._awaited]
        detail = f"expected the request's {self._awaited} within {allowed:g} s; send it faster"
        self._end(answer(HTTPStatus.REQUEST_TIMEOUT, detail))

    def _end(self, last_words: bytes) -> None:
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:  # no answer has begun
            self.transport.write(last_words)
        self.transport.close()


def answer(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> bytes:
    """A whole problem+json answer for a caller who is not heard further."""
    response = problems.problem(status, detail, {"Connection": "close"} | (headers or {}))
    wire = h11.Connection(h11.SERVER)
    parts = (
        h11.Response(status_code=status, headers=response.raw_headers, reason=status.phrase.encode()),
        h11.Data(data=bytes(response.body)),
        h11.EndOfMessage(),
    )
    return b"".join(wire.send(part) or b"" for part in parts)


FULL = answer(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "expected fewer connections, to this node or from your address; close some or come later",
    {"Retry-After": "5"},
)
"""What a caller hears for whom there is no connection left."""


class Reception:
    """Accepts connections: ``web.connections`` in all, ``web.connections_per_address`` from one address.

    A trusted proxy speaks for many and counts in all only. The policy is refuse-newest: who comes beyond
    hears 503, or by TLS, where answering costs most, nothing. An address of IPv6 is its network of 64 bits,
    which is what one caller has. ``tls`` is for the connections to come.
    """

    def __init__(self, config: uvicorn.Config, web: WebSettings, on_cut: OnCut) -> None:
        self._config = config
        self._web = web
        self._on_cut = on_cut
        self.tls: ssl.SSLContext | None = None
        self._state = ServerState()
        self._tasks = Tasks("http")
        self._open: dict[asyncio.Task[None], str] = {}
        self._refusals = 0

    async def accept(self, listener: socket.socket) -> None:
        """Take connections until cancelled; raise OSError where there come no more."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, peer = await loop.sock_accept(listener)
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno not in SCARCE:
                    raise
                logger.warning("no connection can be taken", reason=error.strerror)
                await asyncio.sleep(PAUSE)
            else:
                self._admit(taken, str(peer[0]))

    async def close(self, within: Seconds) -> None:
        """Let requests in hand end, then cut their connections, end what still runs; it takes ``within``."""
        last = max(0.0, LAST_SHARE * within)
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._open:
            await asyncio.wait(self._open, timeout=within - 3 * last)
        await self._tasks.close(last)
        running = await _wait(self._state.tasks, last)
        for task in running:
            task.cancel()
        for task in await _wait(running, last):
            logger.error("request does not end", task=task.get_name())

    def _admit(self, taken: socket.socket, address: str) -> None:
        full = self._full(address)
        if full is None:
            task = self._tasks.start("connection", self._serve(taken))
            self._open[task] = caller_of(address)
            task.add_done_callback(self._open.pop)
            return
        self._on_cut(full)
        if self.tls is None and self._refusals < MOST_REFUSALS:
            self._refusals += 1
            self._tasks.start("refusal", _refuse(taken)).add_done_callback(self._refused)
        else:
            taken.close()

    def _refused(self, _task: asyncio.Task[None]) -> None:
        self._refusals -= 1

    def _full(self, address: str) -> Cut | None:
        if len(self._open) >= self._web.connections:
            return Cut.TOTAL
        here = list(self._open.values()).count(caller_of(address))
        if here >= self._web.connections_per_address and not self._trusts(address):
            return Cut.ADDRESS
        return None

    def _trusts(self, address: str) -> bool:
        return any(ip_address(address) in network for network in self._web.trusted_proxies)

    async def _serve(self, taken: socket.socket) -> None:
        connection = HttpConnection(self._config, self._state, self._web, self._on_cut)
        try:
            await self._connect(taken, connection)
        except OSError:  # ssl.SSLError is one, and so is the end of the handshake's time
            self._on_cut(Cut.HANDSHAKE)
            return
        try:
            await connection.closed.wait()
        finally:
            connection.transport.abort()

    async def _connect(self, taken: socket.socket, connection: HttpConnection) -> None:
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNTAKEN * 1000))
        secured = self.tls is not None
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: connection,
            taken,
            ssl=self.tls,
            ssl_handshake_timeout=self._web.header_timeout_s if secured else None,
            ssl_shutdown_timeout=FAREWELL if secured else None,
        )


def caller_of(address: str) -> str:
    """What counts as one caller: an IPv4 address, an IPv6 network of 64 bits, a neighbour on the link."""
    ip = ip_address(address)
    if isinstance(ip, IPv4Address) or ip.is_link_local:
        return address
    return str(ip.ipv4_mapped or ip_network((ip.packed, 64), strict=False))


async def _refuse(taken: socket.socket) -> None:
    """Tell the caller, and take what they had begun to send, so that they can read it."""
    loop = asyncio.get_running_loop()
    with taken, contextlib.suppress(OSError):  # the end of the time is one
        async with asyncio.timeout(REFUSAL_ENDS):
            await loop.sock_sendall(taken, FULL)
            taken.shutdown(socket.SHUT_WR)
            while await loop.sock_recv(taken, 65536):
                pass


async def _wait(tasks: Collection[asyncio.Task[None]], patience: Seconds) -> set[asyncio.Task[None]]:
    """Wait for these; give those that still run."""
    return (await asyncio.wait(tasks, timeout=patience))[1] if tasks else set()
