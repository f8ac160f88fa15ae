"""What anybody in the network may answer when we look a name up (RFC 6762)."""

import asyncio
from collections.abc import Iterator
from ipaddress import ip_address

from guard.media.gates import MAX_DATAGRAM
from guard.media.ice.mdns import GROUP, MAX_RECORDS, _Answers, address_in, may_answer
from tests.fuzz.loop import Target

LABEL = b"0123abcd-0123-4567-89ab-0123456789ab"
NAME = LABEL.decode() + ".local"
MAX_LABELS = 127
"""Of one byte, in a name (RFC 1035 section 3.1)."""

ENCODED = bytes([len(LABEL)]) + LABEL + b"\5local\0"


def check_mdns(datagram: bytes) -> None:
    """An address comes out or nothing does, and only of what is worth reading; only once."""
    address = asyncio.get_running_loop().create_future()
    answers = _Answers(NAME, address)
    answers.datagram_received(datagram, ("192.0.2.1", GROUP[1] + 1))
    assert not address.done(), "from a port that nobody answers from"
    answers.datagram_received(datagram, ("192.0.2.1", GROUP[1]))
    found = address_in(datagram, NAME)
    if may_answer(datagram, NAME):
        assert LABEL in datagram.lower()
        assert len(datagram) <= MAX_DATAGRAM
        assert (address.result() if address.done() else None) == found
    else:
        assert not address.done()
    assert found is None or str(ip_address(found)) == found
    answers.datagram_received(datagram, ("192.0.2.1", GROUP[1]))


def costly_answers() -> Iterator[bytes]:
    """As many records as are read, each under a name of as many labels as there may be, and about such."""
    labels = b"\1a" * MAX_LABELS + b"\0"
    named = b"\xc0" + (12 + len(ENCODED) + 10).to_bytes(1, "big")  # points to the labels
    head = b"\0\0\x84\0\0\0" + MAX_RECORDS.to_bytes(2, "big") + bytes(4)
    first = ENCODED + b"\xff\xff\0\1" + bytes(4) + len(labels).to_bytes(2, "big") + labels
    for kind, body in ((1, bytes(4)), (12, named), (33, bytes(6) + named), (47, named + b"\0\1\x40")):
        record = named + kind.to_bytes(2, "big") + b"\0\1" + bytes(4) + len(body).to_bytes(2, "big") + body
        yield head + first + record * (MAX_RECORDS - 1)


MDNS = Target(
    "mdns", check_mdns, 10, tokens=(LABEL, ENCODED, b"\xc0\x0c", b"\0\1\x80\1"), costly=costly_answers
)
