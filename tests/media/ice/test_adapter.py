import asyncio
import re
import socket
import time
from contextlib import ExitStack

import pytest
from aioice import stun
from aioice.ice import Connection, StunProtocol
from structlog.testing import capture_logs

from guard.config import IceSettings, MediaSettings
from guard.core.errors import CapacityError, EnvironmentProblem
from guard.media import transport
from guard.media.assembler import Codec
from guard.media.client import VIDEO_FORMATS
from guard.media.ice import adapter
from guard.media.ice.sockets import bound_socket
from guard.media.publication import Publication
from guard.media.transport import Peer
from guard.media.turn import IceServer
from tests.support.media import LOOPBACK, LoopbackPublisher, eventually

pytestmark = pytest.mark.media

CANDIDATE = "a=candidate:{number} 1 udp 2130706431 {address} 5000 typ host\r\n"
DENIED = ("169.254.169.254", "224.0.0.1", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254")


def publication(ice: IceSettings = LOOPBACK) -> Publication:
    return Publication("p1", MediaSettings(), ice, time.monotonic, lambda _: None, lambda _: None)


async def an_offer() -> str:
    """A publisher's offer; nobody is there to connect to."""
    publisher = LoopbackPublisher(Codec.VP8)
    text = await publisher.peer.offer()
    await publisher.peer.close()
    return text


def lines(*addresses: str) -> str:
    return "".join(CANDIDATE.format(number=n, address=address) for n, address in enumerate(addresses))


def addresses_told(sdp: str) -> list[tuple[str, int]]:
    """Where an SDP says to send to."""
    found = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", sdp)
    return [(address, int(port)) for address, port in found]


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
    monkeypatch.setattr(adapter, "primary_addresses", lambda: ("127.0.0.1",))
    one = publication(IceSettings(allow_loopback=True, public_address="203.0.113.5"))
    answer = await one.answer(await an_offer())
    assert [address for address, _ in addresses_told(answer)] == ["203.0.113.5", "127.0.0.2"]
    await one.close()


async def test_denied_candidates_are_left_out_and_the_call_goes_on():
    one, publisher = publication(), LoopbackPublisher(Codec.VP8)
    offer = await publisher.peer.offer()
    answer = await one.answer(offer.replace("a=end-of-candidates", lines(*DENIED) + "a=end-of-candidates"))
    await publisher.peer.accept(answer)
    await eventually(lambda: publisher.video.needs_keyframe)
    assert one.stats().dropped["datagram.candidate_denied"] == len(DENIED)
    assert one._call.peer.remote_address in addresses_told(offer)
    await asyncio.gather(one.close(), publisher.peer.close())
    assert one._call.peer.remote_address is None


async def test_denied_candidates_are_left_out_when_they_come_later():
    one = publication()
    offer = await an_offer()
    await one.answer(offer.replace("a=end-of-candidates\r\n", ""))
    await one.add_candidates("a=mid:0\r\n" + lines(*DENIED, "127.0.0.9"))
    assert one.stats().dropped["datagram.candidate_denied"] == len(DENIED)
    await one.close()


async def test_a_caller_none_of_whose_candidates_is_used_is_waited_for():
    """As a browser behind NAT, at a node on a public address (RFC 8863)."""
    one = publication(IceSettings(host_addresses=("127.0.0.1",)))
    publisher = LoopbackPublisher(Codec.VP8)
    offer = await publisher.peer.offer()
    assert "a=end-of-candidates" in offer
    answer = await one.answer(offer)
    await eventually(lambda: one._call.peer.dropped["candidate_denied"])
    await asyncio.sleep(0)
    await publisher.peer.accept(answer)
    await eventually(lambda: publisher.video.needs_keyframe)
    assert one._call.peer.remote_address in addresses_told(offer)
    await asyncio.gather(one.close(), publisher.peer.close())


class Names:
    """Stands in for the network's answers to look-ups of mDNS names."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self.asked: list[str] = []
        self.answering = asyncio.Event()

    async def __call__(self, name: str) -> str | None:
        self.asked.append(name)
        await self.answering.wait()
        if name == "broken.local":
            raise OSError
        return self.known.get(name)


async def test_mdns_names_are_looked_up_meanwhile_four_a_call(monkeypatch: pytest.MonkeyPatch):
    names = Names({"a.local": "127.0.0.1", "b.local": "169.254.169.254"})
    monkeypatch.setattr(adapter, "look_up", names)
    one = publication()
    offer = await an_offer()
    named = lines("a.local", "a.local", "b.local", "c.local", "broken.local", "e.local", "f.local")
    await one.answer(offer.replace("a=end-of-candidates", named + "a=end-of-candidates"))
    dropped = one._call.peer.dropped
    assert dropped["mdns"] == 2
    names.answering.set()
    await eventually(lambda: dropped["mdns"] == 4)
    assert sorted(names.asked) == ["a.local", "b.local", "broken.local", "c.local"]
    assert dropped["candidate_denied"] == 1
    (dtls,) = one._call.peer._transports
    assert "a.local" in {found.host for found in dtls.transport._connection.remote_candidates}
    await one.close()


async def test_a_call_that_ends_looks_up_nothing_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adapter, "look_up", Names({}))
    one = publication()
    await one.answer(await an_offer() + lines("a.local", "b.local"))
    began = time.monotonic()
    await one.close()
    assert time.monotonic() - began < 1.0


async def test_a_caller_who_wanders_is_followed_to_so_many_addresses():
    one = publication()
    offer = await an_offer()
    answer = await one.answer(offer)
    user, password = (re.findall(rf"a=ice-{what}:(\S+)", answer)[0] for what in ("ufrag", "pwd"))
    caller = re.findall(r"a=ice-ufrag:(\S+)", offer)[0]
    for _ in range(40):
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        check.attributes |= {"USERNAME": f"{user}:{caller}", "PRIORITY": 1, "ICE-CONTROLLING": 1}
        check.add_message_integrity(password.encode())
        with bound_socket("127.0.0.1", 0, 0) as udp:
            udp.sendto(bytes(check), addresses_told(answer)[0])
    await eventually(lambda: one._call.peer.dropped["candidate"] == 8)
    await one.close()


async def test_nobody_is_met_where_no_caller_is(monkeypatch: pytest.MonkeyPatch):
    one = publication()
    sent: list[str] = []
    await one.answer(await an_offer())
    (dtls,) = one._call.peer._transports
    connection = dtls.transport._connection
    (protocol, *_) = connection._protocols
    monkeypatch.setattr(protocol, "send_stun", lambda _, address: sent.append(address[0]))
    for address in DENIED:
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        check.attributes |= {"PRIORITY": 1, "ICE-CONTROLLING": 1}
        connection.check_incoming(check, (address, 5000), protocol)
    assert one._call.peer.dropped["candidate_denied"] == len(DENIED)
    assert not {found.host for found in connection.remote_candidates} & set(DENIED)
    await one.close()
    assert not set(sent) & set(DENIED)


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
    monkeypatch.setattr(adapter, "RELAY_TIMEOUT", 0.3)
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
    monkeypatch.setattr(adapter, "RELAY_TIMEOUT", 0.01)
    for servers in ((), (IceServer("stun:127.0.0.1"),), (IceServer(f"turn:127.0.0.1:{port}", "u", "c"),)):
        peer = Peer(LOOPBACK, time.monotonic, lambda _: None, offers=True, relay_only=True)
        peer.receive("video", VIDEO_FORMATS, lambda _: None)
        with pytest.raises(EnvironmentProblem, match="relay only: expected a TURN server that relays, got"):
            await peer.offer(servers)
        await peer.close()


async def test_a_relay_that_is_not_there_leaves_the_direct_way(monkeypatch: pytest.MonkeyPatch, port: int):
    monkeypatch.setattr(adapter, "RELAY_TIMEOUT", 0.01)
    peer = Peer(LOOPBACK, time.monotonic, lambda _: None, offers=True)
    peer.receive("video", VIDEO_FORMATS, lambda _: None)
    offer = await peer.offer((IceServer(f"turn:127.0.0.1:{port}", "u", "c"),))
    assert [address for address, _ in addresses_told(offer)] == ["127.0.0.1"]
    await peer.close()


async def connected() -> tuple[Publication, LoopbackPublisher]:
    one, publisher = publication(), LoopbackPublisher(Codec.VP8)
    await publisher.join(one)
    return one, publisher


def connection_of(peer: Peer) -> Connection:
    """The only one."""
    (dtls,) = peer._transports
    return dtls.transport._connection


async def test_no_more_than_16_places_of_a_call_are_probed():
    one = publication()
    offer = await an_offer()
    named = [f"127.0.0.{number}" for number in range(1, 18)]
    await one.answer(offer.replace("a=end-of-candidates\r\n", lines(*named[:10])))
    await one.add_candidates("a=mid:0\r\n" + lines(*named[:5]))
    await one.add_candidates("a=mid:0\r\n" + lines(*named[10:]))
    candidates = connection_of(one._call.peer)._remote_candidates
    assert len(candidates) == 16
    assert one._call.peer.dropped["candidate"] == 2
    await one.close()


async def test_a_peer_that_calls_every_check_a_conflict_is_not_answered_for_ever(
    caplog: pytest.LogCaptureFixture,
):
    one, publisher = await connected()
    ours, theirs = connection_of(one._call.peer), connection_of(publisher.peer)
    asked: list[stun.Message] = []

    def conflict(message: stun.Message, source: tuple[str, int], protocol: StunProtocol) -> None:
        asked.append(message)
        theirs.respond_error(message, source, protocol, (487, "Role Conflict"))

    adapter.replace(theirs, "request_received", conflict)
    (pair,) = ours._check_list
    await ours.check_start(pair)
    assert len(asked) == adapter.MAX_ROLE_SWITCHES + 1
    assert one._call.peer.faults == {"ValueError": 1}
    assert not caplog.records
    await asyncio.gather(one.close(), publisher.peer.close())


async def test_a_stranger_gets_no_answer_to_a_check():
    one, publisher = await connected()
    (protocol,) = connection_of(one._call.peer)._protocols
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    torn = bytes(request)[:-4]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.settimeout(0)
        for datagram in (bytes(request), torn, bytes(request) + b"\0"):
            stranger.sendto(datagram, protocol.transport.get_extra_info("sockname"))
        await eventually(lambda: one._call.peer.dropped["stun"] == 3)
        with pytest.raises(BlockingIOError):
            stranger.recv(100)
    await asyncio.gather(one.close(), publisher.peer.close())


async def test_a_torn_check_of_somebody_who_knows_our_name_is_counted():
    one, publisher = await connected()
    connection = connection_of(one._call.peer)
    (protocol,) = connection._protocols
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = f"{connection.local_username}:x"
    torn = bytes(request) + b"\0\x24\0\1x"  # a priority of one byte
    longer = torn[:2] + (len(torn) - 20).to_bytes(2, "big") + torn[4:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for datagram in (torn, longer):
            stranger.sendto(datagram, protocol.transport.get_extra_info("sockname"))
    await eventually(lambda: one._call.peer.dropped["malformed"] and one._call.peer.faults)
    assert one._call.peer.faults == {"error": 1}  # of struct
    await asyncio.gather(one.close(), publisher.peer.close())
