import asyncio
import socket
from ipaddress import ip_address

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.media.ice import mdns
from guard.media.ice.mdns import address_in, look_up, may_answer, query

pytestmark = pytest.mark.unit

NAME = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local"
ENCODED = bytes([36]) + NAME[:36].encode() + b"\x05local\x00"


def answer(record: int, address: bytes, name: bytes = ENCODED) -> bytes:
    """As Chromium answers: cache-flush bit, and an NSEC record whose name points back to the first."""
    head = bytes.fromhex("0000 8400 0000 0001 0000 0001")
    found = name + record.to_bytes(2, "big") + b"\x80\x01" + bytes(3) + b"\x78"
    denied = b"\xc0\x0c" + bytes.fromhex("002f 8001 00000078 0005 c00c 0001 40")
    return head + found + len(address).to_bytes(2, "big") + address + denied


@pytest.mark.parametrize(
    ("record", "address"), [(1, "192.0.2.7"), (28, "2001:db8::7"), (28, "fe80::fc:ff:fe00:1")]
)
def test_an_answer_of_chromium_is_read(record: int, address: str):
    family = socket.AF_INET if record == 1 else socket.AF_INET6
    assert address_in(answer(record, socket.inet_pton(family, address)), NAME) == address


def test_names_are_compared_without_case():
    assert address_in(answer(1, bytes(4)), NAME.upper()) == "0.0.0.0"  # noqa: S104 -- the policy denies it


@pytest.mark.parametrize(
    "datagram",
    [
        answer(1, bytes(4), b"\x05other\x05local\x00"),
        answer(1, bytes(3)),
        answer(28, bytes(4)),
        answer(16, b"\x03abc"),
        query(NAME, "A"),
        answer(1, bytes(4))[:40],
        b"",
        b"\xff" * 12,
    ],
)
def test_what_is_no_answer_is_none(datagram: bytes):
    assert address_in(datagram, NAME) is None


def test_only_short_answers_with_few_records_that_name_the_name_are_read():
    whole = answer(1, bytes(4))
    assert may_answer(whole, NAME)
    assert may_answer(whole.upper(), NAME)
    assert not may_answer(whole, f"a{NAME}")
    assert may_answer(whole + bytes(1472 - len(whole)), NAME)
    assert not may_answer(whole + bytes(1473 - len(whole)), NAME)
    assert not may_answer(whole[:7] + b"\x11" + whole[8:], NAME)
    assert not may_answer(whole[:11], NAME)


async def test_nobody_else_has_much_read(monkeypatch: pytest.MonkeyPatch):
    parsed: list[bytes] = []
    monkeypatch.setattr(mdns, "address_in", lambda datagram, _: parsed.append(datagram))
    answers = mdns._Answers(NAME, asyncio.get_running_loop().create_future())
    whole = answer(1, bytes(4))
    for source, datagram in (
        (("192.0.2.1", 5354), whole),
        (("192.0.2.1", 5353), whole + bytes(58_000)),
        (("192.0.2.1", 5353), whole[:30]),
    ):
        answers.datagram_received(datagram, source)
    assert not parsed
    for _ in range(100):
        answers.datagram_received(whole, ("192.0.2.1", 5353))
    assert len(parsed) == 20


@given(st.binary(max_size=200), st.integers(0, 120), st.integers(0, 40))
def test_a_torn_answer_gives_an_address_or_none(put: bytes, at: int, cut: int):
    whole = answer(1, bytes([192, 0, 2, 7]))
    found = address_in(whole[:at] + put + whole[at + cut :], NAME)
    assert found is None or str(ip_address(found)) == found


def test_a_question_is_one_for_multicast():
    asked = dns.message.from_wire(query(NAME, "AAAA"))
    assert (asked.id, int(asked.flags)) == (0, 0)
    assert [str(one) for one in asked.question] == [f"{NAME}. IN AAAA"]


@pytest.mark.virtual_time
async def test_a_name_that_nobody_knows_is_given_up_after_three_seconds(monkeypatch: pytest.MonkeyPatch):
    unheard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    unheard.bind(("127.0.0.1", 0))
    monkeypatch.setattr(mdns, "GROUP", unheard.getsockname())
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    monkeypatch.setattr(mdns, "_multicast_socket", lambda: asking)
    assert await look_up(NAME) is None
    unheard.setblocking(False)  # noqa: FBT003 -- its only argument
    asked = [dns.message.from_wire(unheard.recv(512)).question[0] for _ in range(6)]
    unheard.close()
    assert [one.to_text().split()[-1] for one in asked] == ["A", "AAAA"] * 3


async def test_the_first_answer_counts(monkeypatch: pytest.MonkeyPatch):
    responder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    responder.bind(("127.0.0.1", 0))
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.bind(("127.0.0.1", 0))
    monkeypatch.setattr(mdns, "GROUP", responder.getsockname())
    monkeypatch.setattr(mdns, "_multicast_socket", lambda: asking)
    for datagram in (b"junk", answer(1, bytes([192, 0, 2, 7])), answer(1, bytes([192, 0, 2, 8]))):
        responder.sendto(datagram, asking.getsockname())
    assert await look_up(NAME) == "192.0.2.7"
    responder.close()
