"""The ICE half of the adapter: which candidates are taken, who moves a call, which datagrams come in."""
# ruff: noqa: SLF001 -- part of the adapter that uses aioice's private names, see transport.ADAPTED

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

from aioice import Candidate, stun
from aioice.ice import CandidatePair, Connection, StunProtocol
from aioice.mdns import is_mdns_hostname

from guard.config import IceSettings
from guard.core.addresses import Scope, scope_of
from guard.core.units import Seconds
from guard.media.gates import DatagramGate, is_rtp, is_stun
from guard.media.ice.candidates import MAX_MDNS_NAMES, CandidatePolicy
from guard.media.ice.gathering import Gathering, Spawn
from guard.media.ice.mdns import look_up
from guard.media.ice.private import replace
from guard.media.signalling import MAX_CANDIDATES, PARSER_FAULTS

HANDLER_FAULTS = (*PARSER_FAULTS, MemoryError)
"""What a handler may raise on a hostile packet; counted, never the end of a call."""

MAX_ROLE_SWITCHES = 8
"""Who controls is settled by one (RFC 8445 section 7.3.1.1); each is followed by another check at once."""

SILENCE: Seconds = 6.0
"""An address from which nothing came for so long is left for another; consent is asked for every 4 to 6 s."""

TakeRtp: TypeAlias = Callable[[bytes], None]
"""Takes one SRTP packet, still protected; what it raises is counted."""


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
        self._gate = gate
        self._dropped = gate.dropped
        self._faults = faults
        self._spawn = spawn
        self._probed: set[tuple[str, int]] = set()
        self._lookups: dict[str, asyncio.Task[str | None]] = {}
        self._takers: dict[Connection, TakeRtp | None] = {}
        self.gathering = Gathering(settings, () if relay_only else own, self._policy, self._keep, spawn)

    def adapt(self, connection: Connection, take_rtp: TakeRtp | None = None) -> None:
        """Take over one connection, before it has gathered or been told anything.

        RTP that passed the gate goes to ``take_rtp`` at once, past aiortc's queue, where one is given.
        """
        self._takers[connection] = take_rtp
        replace(connection, "get_component_candidates", partial(self.gathering.gather, connection))
        replace(connection, "data_received", partial(self._take_data, connection.data_received))
        adding = partial(self._add, connection, connection.add_remote_candidate)
        replace(connection, "add_remote_candidate", adding)
        taking = partial(self._take_candidate, connection._add_remote_candidate)
        replace(connection, "_add_remote_candidate", taking)
        replace(connection, "build_request", partial(_request, connection, connection.build_request))
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

    def _keep(self, connection: Connection, protocol: StunProtocol) -> None:
        connection._protocols.append(protocol)
        self._gate_socket(connection, protocol)

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

        The places it has come from are as many as the gate knows; the one silent for longest is forgotten.
        Loopback and private addresses are taken here: the peer is there already. Nobody is on what is denied
        always.
        """
        if scope_of(source[0]) is Scope.DENIED:
            self._dropped["candidate_denied"] += 1
            return
        self._forget_places(connection)
        if self._has_moved(connection, protocol, source):
            message.attributes["USE-CANDIDATE"] = None
        check(message, source, protocol)

    def _forget_places(self, connection: Connection) -> None:
        """Forget where the peer was found to be, but not where it is and what the gate still knows."""
        used = [pair.remote_candidate for pair in connection._nominated.values()]
        gone = [
            one
            for one in connection._remote_candidates
            if one.type == "prflx" and one not in used and not self._gate.knows((one.host, one.port))
        ]
        for pair in [pair for pair in connection._check_list if pair.remote_candidate in gone]:
            if pair.task is not None:
                pair.task.cancel()
            connection._check_list.remove(pair)
        for one in gone:
            connection._remote_candidates.remove(one)

    def _has_moved(self, connection: Connection, protocol: StunProtocol, source: tuple[str, int]) -> bool:
        """Whether a peer whose check came from elsewhere is no longer where it was.

        One behind NAT may not know that its address has changed, so it does not nominate the new one. Only
        who also answers our own check from there has us send to it.
        """
        pair = connection._nominated.get(protocol.local_candidate.component)
        if pair is None or pair.remote_addr == source:
            return False
        return self._gate.silence(pair.remote_addr) > SILENCE

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


def _request(
    connection: Connection,
    build: Callable[..., stun.Message],
    pair: CandidatePair,
    *,
    nominate: bool,
) -> stun.Message:
    """A check of ours; if it is we who nominate, each of the selected pair does (RFC 8445 section 8.1.1).

    Those that ask for consent are checks too: so the peer follows when a NAT has lent us another address.
    """
    return build(pair, nominate=nominate or connection._nominated.get(pair.component) is pair)


def _switch_role(switches: Iterator[int], switch: Callable[..., None], *, ice_controlling: bool) -> None:
    """Take the other role, but not for ever: a hostile peer calls every check a conflict; ValueError."""
    if next(switches, None) is None:
        msg = f"expected at most {MAX_ROLE_SWITCHES} conflicts over who controls, got one more"
        raise ValueError(msg)
    switch(ice_controlling=ice_controlling)
