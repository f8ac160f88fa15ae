"""What comes to a socket of ours: through the gate and the ICE adapter into aioice, without a network.

The first byte of an input says what stands already, the rest is the datagram (see ``Scene``).
"""

import hmac
from binascii import crc32
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any, cast

from aioice import Candidate
from aioice import stun as aioice_stun
from aioice.ice import CandidatePair, Connection, StunProtocol

from guard.config import IceSettings
from guard.media.gates import DatagramGate, is_rtp, is_stun
from guard.media.ice.adapter import IceAdapter
from tests.fuzz.loop import Target

if TYPE_CHECKING:
    import asyncio

OURS, THEIRS = "ours", "peer"
OUR_PASSWORD, THEIR_PASSWORD = "OurPasswordOf22Letters+", "TheirPasswordOf22Letters"
PENDING = b"transaction1"
"""The id of a request of ours that waits for its answer."""

PEER = ("192.0.2.1", 4000)
DENIED = ("169.254.169.254", 4000)
SETTINGS = IceSettings(host_addresses=("127.0.0.1",), allow_loopback=True)
FAULTS = {"KeyError", "error", "ValueError", "UnicodeDecodeError", "AssertionError"}
"""What aioice was seen to raise; the adapter counts it."""

INTEGRITY, FINGERPRINT = 0x0008, 0x8028
TRAILER = 32
"""Bytes of MESSAGE-INTEGRITY and FINGERPRINT at the end of a signed message (RFC 8489 section 14)."""

MAX_ANSWER = 128


class Wire:
    """Stands in for the socket; keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, tuple[str, int]]] = []

    def sendto(self, datagram: bytes, address: tuple[str, int]) -> None:
        self.sent.append((datagram, address))


class Scene:
    """A connection as the network finds it.

    Bits of the first byte: 1 connect() has begun, 2 the source passed a check before, 4 we control,
    8 the source is an address that is denied, 16 we are checking the source ourselves.
    """

    def __init__(self, state: int) -> None:
        self.source = DENIED if state & 8 else PEER
        self.faults: Counter[str] = Counter()
        self.gate = DatagramGate(Counter(), lambda: 0.0)
        self.rtp: list[bytes] = []
        self.checks: list[CandidatePair] = []
        self.connection = Connection(
            ice_controlling=bool(state & 4), local_username=OURS, local_password=OUR_PASSWORD
        )
        self.connection.remote_username, self.connection.remote_password = THEIRS, THEIR_PASSWORD
        self.connection._early_checks_done = bool(state & 1)
        adapter = IceAdapter(
            SETTINGS, ("127.0.0.1",), self.gate, self.faults, _spawn_nothing, relay_only=False
        )
        adapter.adapt(self.connection, self.rtp.append)
        cast("Any", self.connection).check_start_task = self.checks.append  # it would send, and wait
        self.wire = Wire()
        self.protocol = StunProtocol(self.connection)
        self.protocol.transport = cast("asyncio.DatagramTransport", self.wire)
        self.protocol.local_candidate = Candidate("1", 1, "udp", 1, "127.0.0.1", 5000, "host")
        adapter._keep(self.connection, self.protocol)
        request = aioice_stun.Message(
            aioice_stun.Method.BINDING, aioice_stun.Class.REQUEST, transaction_id=PENDING
        )
        self.transaction = aioice_stun.Transaction(
            request, PEER, self.protocol, integrity_key=THEIR_PASSWORD.encode()
        )
        self.protocol.transactions[PENDING] = self.transaction
        self.known = bool(state & 2)
        if self.known:
            self.gate.know(self.source)
        if state & 16:
            remote = Candidate("2", 1, "udp", 1, *self.source, "host")
            remote._network_host = self.source[0]
            pair = CandidatePair(self.protocol, remote)
            pair.state = CandidatePair.State.IN_PROGRESS
            self.connection._remote_candidates.append(remote)
            self.connection._check_list.append(pair)

    @property
    def answered(self) -> bool:
        """Whether our own request has got its answer."""
        future: asyncio.Future[object] = cast("Any", self.transaction)._Transaction__future
        return future.done() and (future.exception() is not None or True)


def _spawn_nothing(work: object) -> None:
    msg = f"a datagram starts {work}"
    raise AssertionError(msg)


def check_stun(state_and_datagram: bytes) -> None:
    """Nothing comes out; only who signed is answered with success and let in; STUN never becomes media."""
    scene, datagram = Scene(state_and_datagram[0] if state_and_datagram else 0), state_and_datagram[1:]
    scene.protocol.datagram_received(datagram, scene.source)
    assert set(scene.faults) <= FAULTS, scene.faults
    queued = scene.connection._queue.qsize()
    if is_stun(datagram):
        assert not queued
        assert not scene.rtp
    elif scene.known and datagram:
        assert len(scene.rtp) == (is_rtp(datagram) and len(datagram) <= 1472)
    else:
        assert [queued, scene.rtp, scene.wire.sent] == [0, [], []]
    _check_answers(scene, datagram)
    assert not scene.answered or is_signed(datagram, THEIR_PASSWORD)
    assert len(scene.connection._remote_candidates) <= 2
    assert len(scene.checks) <= 1


def _check_answers(scene: Scene, datagram: bytes) -> None:
    assert len(scene.wire.sent) <= 1
    for answer, address in scene.wire.sent:
        assert address == scene.source
        assert len(answer) <= MAX_ANSWER
        if answer.startswith(b"\x01\x01"):
            assert is_signed(datagram, OUR_PASSWORD), "success without a signature"
    passed = bool(scene.wire.sent) and scene.wire.sent[0][0].startswith(b"\x01\x01")
    assert scene.gate.knows(scene.source) == (scene.known or passed)


def is_signed(message: bytes, password: str) -> bool:
    """Whether a STUN message holds the right MESSAGE-INTEGRITY (RFC 8489 section 14.5); our own reading."""
    at = 20
    while at + 4 <= len(message):
        kind, length = (int.from_bytes(message[at + part : at + part + 2], "big") for part in (0, 2))
        if kind == INTEGRITY:
            return message[at + 4 : at + 4 + length] == _integrity(message[:at], password)
        at += 4 + length + -length % 4
    return False


def _integrity(before: bytes, password: str) -> bytes:
    return hmac.digest(password.encode(), _with_length(before, 24), "sha1")


def _with_length(message: bytes, more: int) -> bytes:
    return message[:2] + (len(message) - 20 + more).to_bytes(2, "big") + message[4:]


def sign(message: bytes, password: str) -> bytes:
    """A message whose last attributes, the signature, are made anew."""
    before = message[:-TRAILER]
    before += INTEGRITY.to_bytes(2, "big") + (20).to_bytes(2, "big") + _integrity(before, password)
    checksum = crc32(_with_length(before, 8)) ^ 0x5354554E
    return _with_length(
        before + FINGERPRINT.to_bytes(2, "big") + (4).to_bytes(2, "big"), 4
    ) + checksum.to_bytes(4, "big")


def mend(mutated: bytes, random: Random) -> bytes:
    """Sign half of the inputs, and let all fit their length: else each would end at the first look."""
    state, message = mutated[:1] or b"\0", mutated[1:]
    if len(message) < 20 + TRAILER or random.random() < 0.2:
        return mutated
    if random.random() < 0.2:
        return state + _with_length(message, 0)
    return state + sign(message, THEIR_PASSWORD if message[0] else OUR_PASSWORD)


STUN = Target(
    "stun",
    check_stun,
    70,
    tokens=(
        OURS.encode() + b":",
        b"ours:peer",
        PENDING,
        *(kind.to_bytes(2, "big") + b"\0\4" for kind in (0x24, 0x25, 0x8029, 0x802A, 0x20, 0x6, 0x9)),
        b"\x21\x12\xa4\x42",
    ),
    mend=mend,
)
