"""A network address translation on loopback that can change the address it lends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

LOOPBACK_ADDRESS = "127.0.0.1"

Address = tuple[str, int]


class _Side(asyncio.DatagramProtocol):
    """One socket; hands what comes to ``take``."""

    def __init__(self, take: Any) -> None:
        self.take = take
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, datagram: bytes, source: Any) -> None:
        self.take(datagram, source)


class Nat:
    """Carries the datagrams of one caller to the node and back, from an address of its own."""

    def __init__(self) -> None:
        self.node: Address | None = None
        """Where the node is; nothing passes before it is known."""
        self.outer_ports: list[int] = []
        """Every port lent so far, the newest last."""
        self._caller: Address | None = None
        self._inner: _Side | None = None
        self._outer: _Side | None = None

    @property
    def port(self) -> int:
        """The port that stands for the node's, before the caller."""
        assert self._inner is not None
        return int(self._inner.transport.get_extra_info("sockname")[1])

    async def open(self) -> None:
        """Begin to carry."""
        self._inner = await self._side(self._from_caller)
        await self.rebind()

    async def rebind(self) -> None:
        """Lend another port from now on; what comes to the old one finds nobody."""
        old, self._outer = self._outer, await self._side(self._from_node)
        self.outer_ports.append(int(self._outer.transport.get_extra_info("sockname")[1]))
        if old is not None:
            old.transport.close()

    def close(self) -> None:
        """Carry no more."""
        for side in (self._inner, self._outer):
            if side is not None:
                side.transport.close()

    async def _side(self, take: Any) -> _Side:
        loop = asyncio.get_running_loop()
        _, side = await loop.create_datagram_endpoint(lambda: _Side(take), local_addr=(LOOPBACK_ADDRESS, 0))
        return side

    def _from_caller(self, datagram: bytes, source: Address) -> None:
        self._caller = source
        if self.node is not None and self._outer is not None:
            self._outer.transport.sendto(datagram, self.node)

    def _from_node(self, datagram: bytes, _source: Address) -> None:
        if self._caller is not None and self._inner is not None:
            self._inner.transport.sendto(datagram, self._caller)


@asynccontextmanager
async def nat() -> AsyncIterator[Nat]:
    """A translation for the time of a test."""
    made = Nat()
    await made.open()
    try:
        yield made
    finally:
        made.close()
