import asyncio
import socket
import time
from contextlib import ExitStack

import pytest
from structlog.testing import capture_logs

from guard.config import IceSettings
from guard.core.errors import CapacityError, EnvironmentProblem
from guard.media import transport
from guard.media.client import VIDEO_FORMATS
from guard.media.ice import gathering
from guard.media.ice.sockets import bound_socket
from guard.media.transport import Peer
from guard.media.turn import IceServer
from tests.support.ice import addresses_told, an_offer, publication
from tests.support.media import LOOPBACK

pytestmark = [pytest.mark.media, pytest.mark.peers]


@pytest.fixture
def port() -> int:
    """A port of 127.0.0.1 that is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_call_takes_one_port_an_address_and_gives_it_back(port: int):
    narrow = LOOPBACK.model_copy(update={"port_min": port, "port_max": port})
    offer = await an_offer()
    for _ in range(2):
        one, other = publication(narrow), publication(narrow)
        assert addresses_told(await one.answer(offer)) == [("127.0.0.1", port)]
        with pytest.raises(CapacityError, match="media ports"):
            await other.answer(offer)
        await asyncio.gather(one.close(), other.close())


async def test_an_address_without_a_free_port_is_left_out(port: int):
    ice = IceSettings(host_addresses=("127.0.0.1", "127.0.0.2"), port_min=port, port_max=port)
    taken = bound_socket("127.0.0.1", port, port)
    peer = Peer(ice, time.monotonic, lambda _: None, offers=True)
    peer.receive("video", VIDEO_FORMATS, lambda _: None)
    assert addresses_told(await peer.offer()) == [("127.0.0.2", port)]
    await peer.close()
    taken.close()


async def test_callers_are_told_the_public_address():
    behind_nat = LOOPBACK.model_copy(update={"public_address": "203.0.113.5"})
    one = publication(behind_nat)
    answer = await one.answer(await an_offer())
    assert [address for address, _ in addresses_told(answer)] == ["203.0.113.5"]
    assert "127.0.0.1" not in answer
    await one.close()


async def test_only_the_interface_of_the_default_route_is_told_as_the_public_address(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(transport, "machine_addresses", lambda: ("127.0.0.1", "127.0.0.2"))
    monkeypatch.setattr(gathering, "primary_addresses", lambda: ("127.0.0.1",))
    one = publication(IceSettings(allow_loopback=True, public_address="203.0.113.5"))
    answer = await one.answer(await an_offer())
    assert [address for address, _ in addresses_told(answer)] == ["203.0.113.5", "127.0.0.2"]
    await one.close()


def caller(ice: IceSettings = LOOPBACK) -> Peer:
    peer = Peer(ice, time.monotonic, lambda _: None, offers=True)
    peer.receive("video", VIDEO_FORMATS, lambda _: None)
    return peer


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
@pytest.mark.parametrize("way", ["udp", "tcp"])
async def test_a_relay_is_asked_only_where_media_may_go(way: str, host: str):
    heard: list[object] = []
    server = await asyncio.start_server(lambda *_: heard.append(1), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, capture_logs() as logs:
        udp.bind(("127.0.0.1", port))
        udp.setblocking(False)  # noqa: FBT003 -- its only argument
        peer = caller(IceSettings(host_addresses=("127.0.0.1",)))
        await peer.offer((IceServer(f"turn:{host}:{port}?transport={way}", "u", "c"),), foreign=True)
        await peer.close()
        with pytest.raises(BlockingIOError):
            udp.recv(2048)
    server.close()
    await server.wait_closed()
    assert heard == []
    (line,) = (one for one in logs if one["event"] == "no TURN server relays")
    assert "expected an address to which media may go" in line["reasons"][0]


async def test_relays_are_asked_together_and_what_they_say_is_logged(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gathering, "RELAY_TIMEOUT", 0.3)
    with ExitStack() as stack, capture_logs() as logs:
        silent = [stack.enter_context(bound_socket("127.0.0.1", 0, 0)) for _ in range(3)]
        servers = tuple(IceServer(f"turn:127.0.0.1:{udp.getsockname()[1]}", "u", "c") for udp in silent)
        peer, began = caller(), time.monotonic()
        await peer.offer(servers)
        took = time.monotonic() - began
        await peer.close()
        assert all(udp.recv(2048) for udp in silent)
    assert 0.3 <= took < 0.6
    (line,) = (one for one in logs if one["event"] == "no TURN server relays")
    assert line["reasons"] == ["127.0.0.1: no answer within 0.3 s"] * 3


async def test_relay_only_without_a_relay_says_so(monkeypatch: pytest.MonkeyPatch, port: int):
    monkeypatch.setattr(gathering, "RELAY_TIMEOUT", 0.01)
    for servers in ((), (IceServer("stun:127.0.0.1"),), (IceServer(f"turn:127.0.0.1:{port}", "u", "c"),)):
        peer = Peer(LOOPBACK, time.monotonic, lambda _: None, offers=True, relay_only=True)
        peer.receive("video", VIDEO_FORMATS, lambda _: None)
        with pytest.raises(EnvironmentProblem, match="relay only: expected a TURN server that relays, got"):
            await peer.offer(servers)
        await peer.close()


async def test_a_relay_that_is_not_there_leaves_the_direct_way(monkeypatch: pytest.MonkeyPatch, port: int):
    monkeypatch.setattr(gathering, "RELAY_TIMEOUT", 0.01)
    peer = Peer(LOOPBACK, time.monotonic, lambda _: None, offers=True)
    peer.receive("video", VIDEO_FORMATS, lambda _: None)
    offer = await peer.offer((IceServer(f"turn:127.0.0.1:{port}", "u", "c"),))
    assert [address for address, _ in addresses_told(offer)] == ["127.0.0.1"]
    await peer.close()
