"""The ICE half of the adapter: our sockets, which candidates are taken and told, which datagrams come in."""
# ruff: noqa: SLF001 -- part of the adapter that uses aioice's private names, see transport.ADAPTED

import asyncio
import copy
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog
from aioice import Candidate, ice, stun
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, Connection, StunProtocol
from aioice.mdns import is_mdns_hostname

from guard.config import IceSettings
from guard.core.addresses import Scope, scope_of
from guard.core.errors import CapacityError, EnvironmentProblem, SignallingError
from guard.core.units import Seconds
from guard.core.words import printable
from guard.media.gates import MAX_KNOWN_ADDRESSES, DatagramGate, is_rtp, is_stun
from guard.media.ice.candidates import MAX_MDNS_NAMES, CandidatePolicy, told_address
from guard.media.ice.mdns import look_up
from guard.media.ice.sockets import bound_socket, primary_addresses, tls_towards
from guard.media.signalling import MAX_CANDIDATES, PARSER_FAULTS

if TYPE_CHECKING:
    from guard.media.turn import IceServer, Relay

logger = structlog.get_logger(__name__)

HANDLER_FAULTS = (*PARSER_FAULTS, MemoryError)
"""What a handler may raise on a hostile packet; counted, never the end of a call."""

RELAY_FAULTS = (OSError, stun.TransactionError, *PARSER_FAULTS)
"""What asking a TURN server may raise, a time-out among it."""

RELAY_TIMEOUT: Seconds = 3.0
MAX_RELAYS = 3
"""TURN servers that are asked, all at once, while the offer waits."""

MAX_REFUSAL_TEXT = 200
MAX_ROLE_SWITCHES = 8
"""Who controls is settled by one (RFC 8445 section 7.3.1.1); each is followed by another check at once."""

Relayed: TypeAlias = tuple[Candidate, StunProtocol]
TakeRtp: TypeAlias = Callable[[bytes], None]
"""Takes one SRTP packet, still protected; what it raises is counted."""

Spawn: TypeAlias = Callable[[Coroutine[Any, Any, None]], None]
"""Runs something that ends with the peer at the latest."""


def require(owner: object, name: str) -> None:
    """Raise EnvironmentProblem unless the installed aiortc and aioice have this private name."""
    if not hasattr(owner, name):
        place = getattr(owner, "__name__", type(owner).__name__)
        msg = (
            f"aiortc {version('aiortc')} with aioice {version('aioice')}: expected {place}.{name}, "
            f"got none; install the version this was written for: pip install 'aiortc>=1.16,<1.17'"
        )
        raise EnvironmentProblem(msg)


def replace(owner: object, name: str, ours: Callable[..., Any]) -> None:
    """Put ours in the place of a method, on this one object only."""
    require(owner, name)
    setattr(owner, name, ours)


class IceAdapter:
    """What stands between aioice and the network for one peer.

    ``own`` are the addresses to listen on. The gate's ``dropped`` counts candidates too: ``candidate`` beyond
    the limits, ``candidate_denied`` by the policy, ``mdns`` names not found or too many.
    ``faults`` counts what handlers raised.
    """

    def __init__(
        self,
        settings: IceSettings,
        own: tuple[str, ...],
        gate: DatagramGate,
        faults: Counter[str],
        spawn: Spawn,
        *,
        relay_only: bool,
    ) -> None:
        self._policy = CandidatePolicy.of(own, allow_loopback=settings.allow_loopback)
        self._relay_only = relay_only
        self._addresses = () if relay_only else own
        self._translated = settings.host_addresses or (primary_addresses() if settings.public_address else ())
        self._settings = settings
        self._gate = gate
        self._dropped = gate.dropped
        self._faults = faults
        self._spawn = spawn
        self._probed: set[tuple[str, int]] = set()
        self._lookups: dict[str, asyncio.Task[str | None]] = {}
        self._takers: dict[Connection, TakeRtp | None] = {}
        self.servers: tuple[IceServer, ...] = ()
        """TURN servers that may relay for us; STUN servers are not asked."""
        self.foreign_servers = False
        """Whether somebody else named them: they must stand where a peer's candidates may."""

    def adapt(self, connection: Connection, take_rtp: TakeRtp | None = None) -> None:
        """Take over one connection, before it has gathered or been told anything.

        RTP that passed the gate goes to ``take_rtp`` at once, past aiortc's queue, where one is given.
        """
        self._takers[connection] = take_rtp
        replace(connection, "get_component_candidates", partial(self._gather, connection))
        replace(connection, "data_received", partial(self._take_data, connection.data_received))
        adding = partial(self._add, connection, connection.add_remote_candidate)
        replace(connection, "add_remote_candidate", adding)
        taking = partial(self._take_candidate, connection._add_remote_candidate)
        replace(connection, "_add_remote_candidate", taking)
        replace(connection, "check_incoming", partial(self._check, connection, connection.check_incoming))
        replace(connection, "check_start", partial(self._start_check, connection.check_start))
        replace(connection, "check_state", partial(self._note_state, connection.check_state))
        switches = iter(range(MAX_ROLE_SWITCHES))
        replace(connection, "switch_role", partial(_switch_role, switches, connection.switch_role))
        # A caller behind NAT may have named no address that we use: its own check tells the one to use. So
        # wait for it until the call is overdue (RFC 8863), also when no more candidates will be named.
        replace(connection, "_remote_candidates_expected", lambda: True)
        replace(connection, "_prune_components", lambda: None)

    def close(self) -> None:
        """Look up nothing more."""
        for lookup in self._lookups.values():
            lookup.cancel()

    async def _gather(
        self, connection: Connection, component: int, addresses: list[str], **_: object
    ) -> list[Candidate]:
        """Gather our candidates; stands in for aioice's, which would take addresses of its own choice."""
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
        relays = [(server, relay) for server in self.servers if (relay := server.relay()) is not None]
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
            if not self.foreign_servers or self._policy.allows(address):
                return address
        msg = f"expected an address to which media may go, got {addresses[0]}"
        raise SignallingError(msg)

    def _keep(self, connection: Connection, protocol: StunProtocol) -> None:
        connection._protocols.append(protocol)
        self._gate_socket(connection, protocol)

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

    async def _add(
        self,
        connection: Connection,
        add: Callable[[Candidate | None], Awaitable[None]],
        candidate: Candidate | None,
    ) -> None:
        """Take a candidate that the peer named, or the end of them; an mDNS name is looked up meanwhile."""
        if candidate is None or self._relay_only or not is_mdns_hostname(candidate.host):
            await add(candidate)
        elif candidate.host in self._lookups or len(self._lookups) < MAX_MDNS_NAMES:
            if candidate.host not in self._lookups:
                self._lookups[candidate.host] = asyncio.create_task(look_up(candidate.host))
            self._spawn(self._add_found(connection, candidate, self._lookups[candidate.host]))
        else:
            self._dropped["mdns"] += 1

    async def _add_found(
        self, connection: Connection, candidate: Candidate, lookup: "asyncio.Task[str | None]"
    ) -> None:
        try:
            address = await lookup
        except OSError:  # nothing can be multicast here
            address = None
        if address is None:
            self._dropped["mdns"] += 1
        elif not connection._closing:
            connection._add_remote_candidate(candidate, address)

    def _take_candidate(
        self,
        take: Callable[[Candidate, str], None],
        candidate: Candidate,
        address: str,
    ) -> None:
        """Take a candidate at its address, or the one found for its mDNS name, if the policy allows it."""
        place = (address, candidate.port)
        if not self._policy.allows(address):
            self._dropped["candidate_denied"] += 1
        elif place not in self._probed and len(self._probed) >= MAX_CANDIDATES:
            self._dropped["candidate"] += 1
        else:
            self._probed.add(place)
            take(candidate, address)

    def _check(
        self,
        connection: Connection,
        check: Callable[[stun.Message, tuple[str, int], StunProtocol], None],
        message: stun.Message,
        source: tuple[str, int],
        protocol: StunProtocol,
    ) -> None:
        """Answer an authenticated check by one of ours, also one from elsewhere (RFC 8445 section 7.3.1.3).

        Loopback and private addresses are taken here: the peer is there already. Nobody is on what is denied
        always.
        """
        if scope_of(source[0]) is Scope.DENIED:
            self._dropped["candidate_denied"] += 1
            return
        named = connection._remote_candidates
        known = any((one._network_host, one.port) == source for one in named)
        if known or sum(one.type == "prflx" for one in named) < MAX_KNOWN_ADDRESSES:
            check(message, source, protocol)
        else:
            self._dropped["candidate"] += 1

    async def _start_check(
        self, start: Callable[[CandidatePair], Awaitable[None]], pair: CandidatePair
    ) -> None:
        # It runs in a task of aioice, which nobody waits for.
        try:
            await start(pair)
        except HANDLER_FAULTS as fault:
            self._faults[type(fault).__name__] += 1

    def _note_state(
        self,
        note: Callable[[CandidatePair, CandidatePair.State], None],
        pair: CandidatePair,
        state: CandidatePair.State,
    ) -> None:
        if state is CandidatePair.State.SUCCEEDED:
            self._gate.know(pair.remote_addr)
        note(pair, state)

    def _take_data(self, take: Callable[[bytes, int], None], datagram: bytes, component: int) -> None:
        # aioice takes STUN that it cannot parse for data, from anybody (RFC 7983: 0..3 is STUN only).
        if is_stun(datagram):
            self._dropped["malformed"] += 1
        else:
            take(datagram, component)

    def _gate_socket(self, connection: Connection, protocol: StunProtocol) -> None:
        gate, take_rtp = self._gate, self._takers.get(connection)
        username = f"{connection.local_username}:".encode()
        received, send_stun = protocol.datagram_received, protocol.send_stun

        def datagram_received(datagram: bytes, address: tuple[Any, ...]) -> None:
            try:
                if is_stun(datagram):
                    if gate.admit_stun(datagram, address[:2], username, protocol.transactions):
                        received(datagram, address)
                elif not gate.admit(datagram, address[:2], connection._queue.qsize()):
                    return
                elif take_rtp is not None and is_rtp(datagram):
                    take_rtp(datagram)
                else:
                    received(datagram, address)
            except HANDLER_FAULTS as fault:
                self._faults[type(fault).__name__] += 1

        def send_stun_and_learn(message: stun.Message, address: tuple[str, int]) -> None:
            # aioice answers with success only where the request was authenticated (RFC 8445 section 7.3).
            if message.message_class == stun.Class.RESPONSE:
                gate.know(address)
            send_stun(message, address)

        replace(protocol, "datagram_received", datagram_received)
        replace(protocol, "send_stun", send_stun_and_learn)


async def _close_relayed(protocol: StunProtocol, close: Callable[[], Awaitable[None]]) -> None:
    """Give the relay's port back; a server that does not answer is not asked for half a minute."""
    try:
        async with asyncio.timeout(RELAY_TIMEOUT):
            await close()
    except TimeoutError:
        asking = protocol.transport._TurnTransport__close_task  # type: ignore[attr-defined]  # mangled by Python
        asking.cancel()
        await asyncio.wait([asking])


def _switch_role(switches: Iterator[int], switch: Callable[..., None], *, ice_controlling: bool) -> None:
    """Take the other role, but not for ever: a hostile peer calls every check a conflict; ValueError."""
    if next(switches, None) is None:
        msg = f"expected at most {MAX_ROLE_SWITCHES} conflicts over who controls, got one more"
        raise ValueError(msg)
    switch(ice_controlling=ice_controlling)
