"""A caller whose address changes during the call stays in it (RFC 8445 section 7.3.1.3)."""

import asyncio
import json
import math
import re
import time
from pathlib import Path

import httpx
import pytest
from aioice import ice, stun
from aioice.ice import CandidatePair, Connection, StunProtocol

from guard.media.client import FrameSource, WhipPublisher
from guard.media.encode import VideoEncoder
from guard.media.ice import adapter
from guard.media.subscriber import WhepSubscriber
from guard.media.transport import Peer
from tests.support.browser import Desk
from tests.support.calls import ADA, House, house, moving_pattern
from tests.support.interop import RELAYS, Caller, Record, callers, relaying
from tests.support.media import LOOPBACK, eventually
from tests.support.nat import Nat, nat
from tests.support.node import NodeEndpoint, bare_settings
from tests.support.served import Served

pytestmark = pytest.mark.e2e

SOON_S = 8.0
"""Chromium checks its path about every 2.5 s, and only then anybody knows where it is; later where busy."""

AFTERWARDS = 40

HURRY = 20
"""Consent is asked for so many times as often in some tests; it lasts as many times shorter."""


def node_address(answer: str) -> tuple[str, int]:
    """Where the node's answer says that it listens."""
    found = re.search(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", answer)
    assert found is not None, answer
    return found[1], int(found[2])


async def join_both(
    desk: Desk, node: Served, publisher: Nat | None, subscriber: Nat | None
) -> tuple[Caller, Caller]:
    """Two pages in a call, each behind a translation where one is given."""
    ada, bob = await callers(desk, node)
    published = await ada.publish(node, "VP8", **({"through": publisher.port} if publisher else {}))
    if publisher:
        publisher.node = node_address(published.text)
    seen = await bob.watch(node, published, **({"through": subscriber.port} if subscriber else {}))
    if subscriber:
        subscriber.node = node_address(seen.text)
    await bob.until_frames(20)
    return ada, bob


async def decoded(caller: Caller) -> int:
    """Frames so far."""
    return int((await caller.stats()).one("inbound-rtp", "video")["framesDecoded"])


@pytest.mark.parametrize("relay", RELAYS)
@pytest.mark.parametrize("role", ["publisher", "subscriber"])
async def test_chromium_behind_a_nat_that_changes_its_port_goes_on(
    tmp_path: Path, desk: Desk, relay: str, role: str, record_property: Record
) -> None:
    async with nat() as between, relaying(tmp_path, relay) as node:
        ends = {"publisher": None, "subscriber": None} | {role: between}
        _, bob = await join_both(desk, node, ends["publisher"], ends["subscriber"])
        await between.rebind()
        began, before = time.monotonic(), await decoded(bob)
        await bob.until_frames(before + 10)
        silence = time.monotonic() - began
        await bob.until_frames(before + 10 + AFTERWARDS)
        took = time.monotonic() - began - silence
    record_property("seen", json.dumps({"silence_s": round(silence, 2), "then_s": round(took, 2)}))
    assert len(set(between.outer_ports)) == 2
    assert silence <= SOON_S
    assert took <= AFTERWARDS / 5


class Behind(httpx.AsyncBaseTransport):
    """The way to an endpoint from behind a translation: neither side is told where the other is."""

    def __init__(self, endpoint: httpx.AsyncBaseTransport, between: Nat) -> None:
        self.endpoint = endpoint
        self.between = between

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            return await self.endpoint.handle_async_request(request)
        offer = re.sub(r"a=candidate:.*\r\n", "", (await request.aread()).decode())
        said = await self.endpoint.handle_async_request(httpx.Request("POST", request.url, content=offer))
        self.between.node = node_address(said.text)
        answer = re.sub(r"(a=candidate:\S+ 1 udp \d+ \S+ )\d+", rf"\g<1>{self.between.port}", said.text)
        return httpx.Response(
            201, text=answer, headers={name: said.headers[name] for name in ("Location", "Link")}
        )


async def our_two(there: House, publisher: Nat, subscriber: Nat) -> tuple[WhipPublisher, WhepSubscriber]:
    """A publisher and a subscriber of ours in a call, each behind a translation."""
    source = FrameSource(moving_pattern(), VideoEncoder("vp8", 96, 64, 20, 200_000), time.monotonic)
    endpoint = NodeEndpoint(there.node, ADA)
    ada = WhipPublisher(
        "http://guard/whip/demo",
        "t",
        source,
        clock=time.monotonic,
        ice=LOOPBACK,
        http=Behind(endpoint, publisher),
    )
    await ada.start()
    assert ada.watch_url is not None
    bob = WhepSubscriber(
        ada.watch_url, "t", clock=time.monotonic, ice=LOOPBACK, http=Behind(endpoint, subscriber)
    )
    await bob.start()
    return ada, bob


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> float:
    """How long consent lasts when all of it goes faster, in seconds; 36 s at most otherwise."""
    monkeypatch.setattr(ice, "CONSENT_INTERVAL", ice.CONSENT_INTERVAL / HURRY)
    monkeypatch.setattr(stun, "RETRY_RTO", 0.2)
    return ice.CONSENT_FAILURES * (1.2 * ice.CONSENT_INTERVAL + stun.RETRY_RTO)


@pytest.mark.parametrize("caller", ["ours", "foreign"])
@pytest.mark.parametrize("role", ["publisher", "subscriber"])
async def test_a_caller_behind_a_nat_that_changes_its_port_goes_on(
    tmp_path: Path, role: str, caller: str, hurried: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours nominates the new address, so the node need not see that the old one is silent; others do not."""
    monkeypatch.setattr(adapter, "SILENCE", math.inf if caller == "ours" else adapter.SILENCE / HURRY)
    async with nat() as ada_nat, nat() as bob_nat, house(bare_settings(tmp_path)) as there:
        ada, bob = await our_two(there, ada_nat, bob_nat)
        mover, between = (ada, ada_nat) if role == "publisher" else (bob, bob_nat)
        if caller == "foreign":
            del connection_of(mover._connection.peer).build_request
        await eventually(lambda: bob.stats().units > 10)
        await between.rebind()
        began, before = time.monotonic(), bob.stats().units
        await eventually(lambda: bob.stats().units > before + 10)
        silence = time.monotonic() - began
        await asyncio.sleep(hurried + 1.0 - silence)
        before = bob.stats().units
        await eventually(lambda: bob.stats().units > before + 20)
        ended = ada.gone.is_set() or bob.ended.is_set()
        await bob.stop()
        await ada.stop()
        await there.empty()
    assert not ended
    assert silence <= hurried


def connection_of(peer: Peer) -> Connection:
    """The ICE half of a peer's only transport."""
    (dtls,) = peer._transports
    return dtls.transport._connection


async def move(peer: Peer) -> None:
    """Nominate a new socket of this controlling caller, and close the one it had."""
    connection = connection_of(peer)
    old = connection._nominated[1]
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_datagram_endpoint(
        lambda: StunProtocol(connection), local_addr=("127.0.0.1", 0)
    )
    protocol.local_candidate = old.protocol.local_candidate
    peer._ice._keep(connection, protocol)
    pair = CandidatePair(protocol, old.remote_candidate)
    connection._check_list.append(pair)
    await connection.check_start(pair)
    assert connection._nominated[1] is pair
    connection._protocols.remove(old.protocol)
    old.protocol.transport.close()


@pytest.mark.parametrize("role", ["publisher", "subscriber"])
async def test_a_caller_that_nominates_another_socket_goes_on_from_there(tmp_path: Path, role: str) -> None:
    async with house(bare_settings(tmp_path)) as there:
        ada = there.publisher()
        await ada.start()
        bob = there.subscriber(ada.watch_url)
        await bob.start()
        await eventually(lambda: bob.stats().units > 10)
        mover = ada._connection if role == "publisher" else bob._connection
        await move(mover.peer)
        before, began = bob.stats().units, time.monotonic()
        await eventually(lambda: bob.stats().units > before + 20)
        took = time.monotonic() - began
        await bob.stop()
        await ada.stop()
        await there.empty()
    assert took < 4.0


async def test_who_cannot_authenticate_a_check_moves_nobody(tmp_path: Path) -> None:
    async with house(bare_settings(tmp_path)) as there:
        ada = there.publisher()
        await ada.start()
        bob = there.subscriber(ada.watch_url)
        await bob.start()
        await eventually(lambda: bob.stats().units > 10)
        connection = connection_of(bob._connection.peer)
        node = connection._nominated[1].remote_addr
        heard: list[bytes] = []
        stranger = await listen(heard)
        for _ in range(20):
            stranger.sendto(bytes(check(connection, "guessed")), node)
            stranger.sendto(bytes([0x80, 96]) + bytes(40), node)
        before = bob.stats().units
        await eventually(lambda: bob.stats().units > before + 30)
        refused = [stun.parse_message(datagram) for datagram in heard]
        stranger.sendto(bytes(check(connection, connection.remote_password)), node)
        await eventually(lambda: any(is_success(datagram) for datagram in heard))
        stranger.close()
        await bob.stop()
        await ada.stop()
        await there.empty()
    assert {answer.message_class for answer in refused} == {stun.Class.ERROR}


async def listen(heard: list[bytes]) -> asyncio.DatagramTransport:
    """A socket of nobody in the call; what is sent to it is heard."""

    class Stranger(asyncio.DatagramProtocol):
        def datagram_received(self, datagram: bytes, _source: object) -> None:
            heard.append(datagram)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Stranger, local_addr=("127.0.0.1", 0))
    return transport


def is_success(datagram: bytes) -> bool:
    """Whether a check was answered well."""
    return datagram[:2] == b"\x01\x01"


def check(connection: Connection, password: str | None) -> stun.Message:
    """A check that nominates, as this caller would send it, with a password."""
    assert password is not None
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{connection.remote_username}:{connection.local_username}"
    request.attributes["PRIORITY"] = 1
    request.attributes["ICE-CONTROLLING"] = connection._tie_breaker
    request.attributes["USE-CANDIDATE"] = None
    request.add_message_integrity(password.encode())
    request.add_fingerprint()
    return request
