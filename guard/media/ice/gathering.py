"""What a call is reached by: sockets of our own, and a port of a TURN server (RFC 8445 section 5.1.1)."""
# ruff: noqa: SLF001 -- part of the adapter that uses aioice's private names, see transport.ADAPTED

import asyncio
import copy
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog
from aioice import Candidate, ice, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol

from guard.config import IceSettings
from guard.core.errors import CapacityError, EnvironmentProblem, SignallingError
from guard.core.units import Seconds
from guard.core.words import printable
from guard.media.ice.candidates import CandidatePolicy, told_address
from guard.media.ice.private import replace
from guard.media.ice.sockets import bound_socket, primary_addresses, tls_towards
from guard.media.signalling import PARSER_FAULTS

if TYPE_CHECKING:
    from guard.media.turn import IceServer, Relay

logger = structlog.get_logger(__name__)

RELAY_FAULTS = (OSError, stun.TransactionError, *PARSER_FAULTS)
"""What asking a TURN server may raise, a time-out among it."""

RELAY_TIMEOUT: Seconds = 3.0
MAX_RELAYS = 3
"""TURN servers that are asked, all at once, while the offer waits."""

MAX_REFUSAL_TEXT = 200
Relayed: TypeAlias = tuple[Candidate, StunProtocol]
Keep: TypeAlias = Callable[[Connection, StunProtocol], None]
"""Makes a socket one of the connection's."""

Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
"""Runs something that ends with the peer at the latest."""


class Gathering:
    """Opens what one peer is reached by; with no ``addresses`` of ours, a TURN server's port only.

    Each socket is handed to ``keep`` as soon as it is there.
    """

    def __init__(
        self,
        settings: IceSettings,
        addresses: tuple[str, ...],
        policy: CandidatePolicy,
        keep: Keep,
        spawn: Spawn,
    ) -> None:
        self._settings = settings
        self._addresses = addresses
        self._translated = settings.host_addresses or (primary_addresses() if settings.public_address else ())
        self._policy = policy
        self._keep = keep
        self._spawn = spawn
        self._servers: tuple[IceServer, ...] = ()
        self._foreign = False

    def relay_by(self, servers: "tuple[IceServer, ...]", *, foreign: bool) -> None:
        """Have one of these TURN servers relay for us; STUN servers are not asked.

        Those that are ``foreign``, named by somebody else, must stand where a peer's candidates may.
        """
        self._servers, self._foreign = servers, foreign

    async def gather(
        self, connection: Connection, component: int, addresses: list[str], **_: object
    ) -> list[Candidate]:
        """Our candidates; stands in for aioice's, which would take addresses of its own choice.

        Raise CapacityError where no port is free, EnvironmentProblem where nothing else can be opened.
        """
        del addresses
        found: list[Candidate] = []
        failures: list[Exception] = []
        for address in self._addresses:
            try:
                found.append(await self._open(connection, component, address))
            except (OSError, CapacityError) as failure:
                failures.append(failure)
        found += await self._relay(connection, component, failures)
        if connection._closing:
            # Closed meanwhile: aioice has closed what it had then, and will not look again.
            await asyncio.gather(*(protocol.close() for protocol in connection._protocols))
        if not found:
            raise self._nothing_open(failures)
        return found

    async def _open(self, connection: Connection, component: int, address: str) -> Candidate:
        """Open a socket of ours; return its host candidate (RFC 8445 section 5.1.1.1) as the peer is told."""
        udp = bound_socket(address, self._settings.port_min, self._settings.port_max)
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_datagram_endpoint(lambda: StunProtocol(connection), sock=udp)
        host, port = udp.getsockname()[:2]
        protocol.local_candidate = Candidate(
            candidate_foundation("host", "udp", host),
            component,
            "udp",
            candidate_priority(component, "host"),
            host,
            port,
            "host",
        )
        self._keep(connection, protocol)
        told = copy.copy(protocol.local_candidate)
        if host in self._translated:
            told.host = told_address(host, self._settings.public_address)
        return told

    async def _relay(
        self, connection: Connection, component: int, failures: list[Exception]
    ) -> list[Candidate]:
        """Have whichever TURN server relays for us first (RFC 8445 section 5.1.1.2)."""
        relays = [(server, relay) for server in self._servers if (relay := server.relay()) is not None]
        refusals: list[str] = []
        asking = [
            asyncio.create_task(self._ask(connection, component, server, relay, refusals))
            for server, relay in relays[:MAX_RELAYS]
        ]
        relayed: Relayed | None = None
        try:
            for answer in asyncio.as_completed(asking):
                relayed = await answer
                if relayed is not None:
                    break
        finally:
            for task in asking:
                task.cancel()
            for other in await asyncio.gather(*asking, return_exceptions=True):
                if isinstance(other, tuple) and other is not relayed:
                    self._spawn(_close_relayed(other[1], other[1].close))
        if relayed is None:
            if refusals and self._addresses:  # else it is the end of the call, with these words
                logger.warning("no TURN server relays", reasons=refusals)
            failures += map(EnvironmentProblem, refusals)
            return []
        candidate, protocol = relayed
        replace(protocol, "close", partial(_close_relayed, protocol, protocol.close))
        self._keep(connection, protocol)
        return [candidate]

    async def _ask(
        self, connection: Connection, component: int, server: "IceServer", relay: "Relay", refusals: list[str]
    ) -> Relayed | None:
        """Have one TURN server relay for us; note why it does not."""
        try:
            async with asyncio.timeout(RELAY_TIMEOUT):
                return await ice.relayed_candidate(
                    component=component,
                    hide_related_address=True,
                    protocol_factory=lambda: StunProtocol(connection),
                    turn_server=(await self._address_of(relay), relay.port),
                    turn_username=server.username,
                    turn_password=server.credential,
                    turn_ssl=await tls_towards(relay.host) if relay.tls else None,  # type: ignore[arg-type]  # handed on to asyncio, which takes a context
                    turn_transport=relay.transport,
                )
        except RELAY_FAULTS as failure:
            words = printable(str(failure), MAX_REFUSAL_TEXT) or f"no answer within {RELAY_TIMEOUT:g} s"
            refusals.append(f"{relay.host}: {words}")
            return None

    async def _address_of(self, relay: "Relay") -> str:
        found = await asyncio.get_running_loop().getaddrinfo(relay.host, relay.port)
        addresses = [str(address[0]) for *_, address in found]
        for address in addresses:
            if not self._foreign or self._policy.allows(address):
                return address
        msg = f"expected an address to which media may go, got {addresses[0]}"
        raise SignallingError(msg)

    def _nothing_open(self, failures: list[Exception]) -> Exception:
        why = f"got none ({failures[-1] if failures else 'no address, no server'})"
        if not self._addresses:
            return EnvironmentProblem(
                f"relay only: expected a TURN server that relays, {why}; check its address and password"
            )
        full = [failure for failure in failures if isinstance(failure, CapacityError)]
        own = ", ".join(self._addresses)
        return next(
            iter(full),
            EnvironmentProblem(f"ice.host_addresses: expected one of {own} here, {why}; correct it"),
        )


async def _close_relayed(protocol: StunProtocol, close: Callable[[], Awaitable[None]]) -> None:
    """Give the relay's port back; a server that does not answer is not asked for half a minute."""
    try:
        async with asyncio.timeout(RELAY_TIMEOUT):
            await close()
    except TimeoutError:
        asking = protocol.transport._TurnTransport__close_task  # type: ignore[attr-defined]  # mangled by Python
        asking.cancel()
        await asyncio.wait([asking])
