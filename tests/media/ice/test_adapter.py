import asyncio
import math
import re
import socket
import time

import pytest
from aioice import stun
from aioice.ice import CandidatePair, Connection, StunProtocol

from guard.config import IceSettings
from guard.media.assembler import Codec
from guard.media.ice import adapter
from guard.media.ice.private import replace
from guard.media.ice.sockets import bound_socket
from guard.media.publication import Publication
from guard.media.transport import Peer
from tests.support.ice import addresses_told, an_offer, publication
from tests.support.media import LoopbackPublisher, eventually

pytestmark = [pytest.mark.media, pytest.mark.peers]

CANDIDATE = "a=candidate:{number} 1 udp 2130706431 {address} 5000 typ host\r\n"
DENIED = ("169.254.169.254", "224.0.0.1", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254")


def lines(*addresses: str) -> str:
    return "".join(CANDIDATE.format(number=n, address=address) for n, address in enumerate(addresses))


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
            last = udp.getsockname()[1]
    connection = connection_of(one._call.peer)
    await eventually(lambda: last in {found.port for found in connection._remote_candidates})
    assert sum(found.type == "prflx" for found in connection._remote_candidates) <= 33
    assert len(connection._check_list) <= 33 + len(addresses_told(offer))
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
    for _ in range(20):
        await one.add_candidates("a=mid:0\r\n" + lines(*named[:5], *DENIED))
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

    replace(theirs, "request_received", conflict)
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


async def test_who_nominates_does_so_with_every_check_of_the_selected_pair():
    one, publisher = await connected()
    node, caller = connection_of(one._call.peer), connection_of(publisher.peer)
    chosen = caller._nominated[1]
    (protocol,) = caller._protocols
    other = CandidatePair(protocol, chosen.remote_candidate)
    assert "USE-CANDIDATE" in caller.build_request(chosen, nominate=False).attributes
    assert "USE-CANDIDATE" not in caller.build_request(other, nominate=False).attributes
    assert "USE-CANDIDATE" in caller.build_request(other, nominate=True).attributes
    assert "USE-CANDIDATE" not in node.build_request(node._nominated[1], nominate=False).attributes
    await asyncio.gather(one.close(), publisher.peer.close())


class Stray:
    """A socket that knows a caller's secrets, but sits elsewhere."""

    def __init__(self, node: Connection, caller: Connection) -> None:
        self.node = node
        self.caller = caller
        self.udp = bound_socket("127.0.0.1", 0, 0)
        (protocol,) = node._protocols
        self.target = protocol.transport.get_extra_info("sockname")

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.udp.getsockname()
        return host, port

    def check(self) -> None:
        """Send a check that nominates nothing, as one for consent."""
        request = self.caller.build_request(self.caller._nominated[1], nominate=False)
        request.attributes.pop("USE-CANDIDATE")
        assert self.caller.remote_password is not None
        request.add_message_integrity(self.caller.remote_password.encode())
        self.udp.sendto(bytes(request), self.target)

    def answer(self) -> bool:
        """Answer a check of the node that has come; whether there was one."""
        try:
            request = stun.parse_message(self.udp.recv(2048))
        except BlockingIOError:
            return False
        if request.message_class is not stun.Class.REQUEST:
            return False
        response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
        response.attributes["XOR-MAPPED-ADDRESS"] = self.target
        response.add_message_integrity(self.caller.local_password.encode())
        self.udp.sendto(bytes(response), self.target)
        return True


@pytest.mark.parametrize("silent", [False, True])
async def test_a_check_from_elsewhere_moves_a_call_only_when_its_place_is_silent(
    monkeypatch: pytest.MonkeyPatch, *, silent: bool
):
    monkeypatch.setattr(adapter, "SILENCE", -1.0 if silent else math.inf)
    one, publisher = await connected()
    node = connection_of(one._call.peer)
    stray = Stray(node, connection_of(publisher.peer))
    before = node._nominated[1].remote_addr
    stray.check()
    await eventually(stray.answer)
    stray.check()
    await eventually(lambda: node._check_list[-1].state is CandidatePair.State.SUCCEEDED)
    assert node._nominated[1].remote_addr == (stray.address if silent else before)
    stray.udp.close()
    await asyncio.gather(one.close(), publisher.peer.close())


async def test_who_does_not_answer_our_check_moves_no_call(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(adapter, "SILENCE", -1.0)
    one, publisher = await connected()
    node = connection_of(one._call.peer)
    stray = Stray(node, connection_of(publisher.peer))
    before = node._nominated[1].remote_addr
    for _ in range(3):
        stray.check()
    await eventually(lambda: stray.address in {pair.remote_addr for pair in node._check_list})
    assert node._nominated[1].remote_addr == before
    stray.udp.close()
    await asyncio.gather(one.close(), publisher.peer.close())
