import math
from collections import Counter

import pytest

from guard.media.gates import DatagramGate, Limits, StreamGate, Verdict
from tests.support.media import ManualClock

pytestmark = pytest.mark.unit

PEER = ("192.0.2.1", 4000)
STRANGER = ("192.0.2.2", 4000)
SOURCE = b"ssrc"
RTP = b"\x80" + bytes(7) + SOURCE + bytes(9)
GARBAGE = b"\x80" + bytes(21)


USERNAME = b"ours:"
CHECK = b"\x00\x01\x00\x0c\x21\x12\xa4\x42" + bytes(12) + b"\x00\x06\x00\x08ours:you"
RTCP = b"\x80\xc9\x00\x07" + SOURCE + bytes(24)
DTLS = b"\x16\xfe\xfd" + bytes(1197)


class Gated:
    """A gate with somebody it knows, and a clock to move."""

    def __init__(self, packets_per_s: int = 128, bytes_per_s: int = 128_000) -> None:
        self.clock = ManualClock()
        self.gate = DatagramGate(Counter(), self.clock, Limits(packets_per_s, bytes_per_s))
        self.gate.know(PEER)
        self.gate.prove(SOURCE)

    def admits(self, datagram: bytes, count: int = 1, *, within: float = 0.0) -> int:
        """How many of so many datagrams of the known address it takes, evenly spread over some time."""
        taken = 0
        for _ in range(count):
            self.clock.now += within / count
            taken += self.gate.admit(datagram, PEER, 0)
        return taken

    def admits_stun(self, datagram: bytes, *transactions: bytes, source: tuple[str, int] = STRANGER) -> bool:
        return self.gate.admit_stun(datagram, source, USERNAME, set(transactions))


@pytest.mark.parametrize("length", [0, 1473, 65_507])
def test_datagrams_that_crash_the_receiver_are_dropped(length: int):
    gated = Gated()
    assert not gated.admits(bytes([0x80] * length))
    assert gated.gate.dropped["size"] == 1


def test_media_and_dtls_come_only_from_an_address_that_passed_a_check():
    gate = Gated().gate
    assert gate.admit(RTP, PEER, 0)
    assert not gate.admit(RTP, STRANGER, 0)
    assert not gate.admit(DTLS, STRANGER, 0)
    assert gate.dropped == {"stranger": 2}


def test_silence_ends_with_a_check_that_passed_and_with_what_proven_sources_send():
    gated = Gated()
    for heard in (lambda: gated.gate.know(PEER), lambda: gated.admits(RTP), lambda: gated.admits(RTCP)):
        gated.clock.now += 7.0
        assert gated.gate.silence(PEER) == 7.0
        heard()
        assert gated.gate.silence(PEER) == 0.0
    gated.clock.now += 7.0
    gated.admits(GARBAGE)
    assert gated.gate.silence(PEER) == 7.0
    gated.admits_stun(CHECK, source=STRANGER)
    assert not gated.gate.admit(RTP, STRANGER, 0)
    assert gated.gate.silence(STRANGER) == math.inf


def test_only_a_check_that_names_us_is_parsed():
    gated = Gated()
    assert gated.admits_stun(CHECK)
    assert not gated.admits_stun(CHECK.replace(b"ours:", b"ourz:"))
    assert not gated.admits_stun(b"\x00\x11" + CHECK[2:])  # an indication
    assert not gated.admits_stun(CHECK[:19])
    assert not gated.admits_stun(CHECK + bytes(1472))
    assert gated.gate.dropped == {"stun": 3, "size": 1}


def test_only_an_answer_to_our_own_check_is_parsed():
    gated, ours = Gated(), b"twelve bytes"
    answer = b"\x01\x01\x00\x00\x21\x12\xa4\x42"
    assert gated.admits_stun(answer + ours, ours)
    assert not gated.admits_stun(answer + b"other bytes.", ours)
    assert gated.gate.dropped == {"stun": 1}
    assert not gated.admits_stun(answer + b"other bytes.", ours, source=PEER)  # its second answer
    assert gated.gate.dropped == {"stun": 1}


def test_no_more_than_a_hundred_checks_a_second_are_parsed():
    gated = Gated()
    assert sum(gated.admits_stun(CHECK) for _ in range(300)) == 100
    gated.clock.now += 0.5
    assert sum(gated.admits_stun(CHECK) for _ in range(300)) == 50
    assert gated.gate.dropped == {"flood": 450}


def test_no_more_than_512_datagrams_wait():
    gate = Gated().gate
    assert gate.admit(RTCP, PEER, 511)
    assert not gate.admit(RTCP, PEER, 512)
    assert gate.admit(RTP, PEER, 512)  # it waits for nothing
    assert gate.dropped == {"overflow": 1}


def test_the_addresses_known_are_bounded_and_the_newest_are_kept():
    gate = Gated().gate
    for port in range(1000):
        gate.know(("192.0.2.1", port))
    assert [port for port in range(1000) if gate.knows(("192.0.2.1", port))] == list(range(968, 1000))


def test_an_address_that_is_heard_is_not_forgotten_for_others():
    gated = Gated()
    for port in range(100):
        gated.clock.now += 1.0
        gated.admits(RTP)
        gated.gate.know(("192.0.2.1", port))
    assert gated.gate.knows(PEER)


def test_packets_beyond_the_limit_are_dropped_after_half_a_second_at_once():
    gated = Gated()
    assert gated.admits(RTP, 200) == 64
    assert gated.admits(RTP, 256, within=1.0) == 128
    assert gated.admits(RTP, 64, within=1.0) == 64
    assert gated.gate.dropped == {"flood": 264}


def test_bytes_beyond_the_limit_are_dropped():
    gated = Gated(10_000, 16_000)
    assert gated.admits(RTP + bytes(979), 20) == 8
    assert gated.admits(RTP + bytes(979), 32, within=1.0) == 16


def test_rtcp_is_limited_by_its_bytes():
    gated = Gated(100_000, 100_000_000)
    assert gated.admits(RTCP, 5000) == 1024
    assert gated.admits(RTCP, 50, within=1.0) == 50


def test_dtls_is_limited_and_comes_back_slowly():
    gated = Gated()
    assert gated.admits(DTLS, 1000) == 218
    assert gated.gate.dropped == {"dtls": 782}
    assert gated.admits(RTP) == 1
    gated.clock.now += 10.0
    assert gated.admits(DTLS, 10) == 2


def test_garbage_under_the_callers_address_takes_nothing_from_the_caller():
    gated = Gated()
    for _ in range(100):
        gated.admits(GARBAGE, 700)
        gated.admits(b"\x80\xc9" + bytes(30), 10)
        assert gated.admits(RTP, 10, within=0.1) == 10
    assert gated.gate.dropped == {"unproven": 100 * 710 - 200 - 99 * 20}
    assert not gated.gate.flooding


def test_a_new_source_proves_itself_among_garbage():
    gate = DatagramGate(Counter(), ManualClock())
    gate.know(PEER)
    assert sum(gate.admit(RTP, PEER, 0) for _ in range(300)) == 200
    gate.prove(SOURCE)
    assert sum(gate.admit(RTP, PEER, 0) for _ in range(300)) == 300


def test_the_sources_are_bounded():
    gate = Gated().gate
    for source in range(1000):
        gate.prove(source.to_bytes(4, "big"))
    assert len(gate._sources) == 32


@pytest.mark.parametrize(("rate", "floods"), [(150, False), (190, False), (300, True), (1280, True)])
def test_twice_the_limit_for_five_seconds_is_a_flood(rate: int, floods: bool):  # noqa: FBT001 -- a table
    gated = Gated()
    gated.admits(RTP, round(rate * 0.2), within=0.2)
    assert not gated.gate.flooding
    gated.admits(RTP, 6 * rate, within=6.0)
    assert gated.gate.flooding is floods


def test_a_second_of_flood_is_none_nor_is_what_strangers_send():
    gated = Gated()
    gated.admits(RTP, 380, within=1.0)
    gated.admits(RTP, 100, within=4.5)
    for _ in range(100_000):
        gated.gate.admit(RTP, STRANGER, 0)
    gated.admits(RTP, 500, within=4.0)
    assert not gated.gate.flooding


def test_who_forges_a_proven_source_ends_no_call():
    gated = Gated()
    for _ in range(60):
        gated.admits(RTP, 200, within=0.1)
        gated.gate.forged()
    assert not gated.gate.flooding
    gated.admits(RTP, 5000, within=1.0)
    assert gated.gate.flooding


def admitted(numbers: list[int]) -> list[Verdict]:
    gate = StreamGate(Counter())
    return [gate.admit(7, number, 0.0) for number in numbers]


def test_a_stream_passes_over_the_wrap_and_with_small_gaps():
    assert set(admitted([65534, 65535, 2, 1, 900, 899])) == {Verdict.PASS}


def test_one_leap_is_dropped_and_changes_nothing():
    assert admitted([10, 32_777, 11]) == [Verdict.PASS, Verdict.DROP, Verdict.PASS]


def test_a_leap_that_goes_on_is_a_restart():
    verdicts = admitted([10, 32_777, 32_778, 32_779])
    assert verdicts == [Verdict.PASS, Verdict.DROP, Verdict.RESTART, Verdict.PASS]


def test_a_flood_of_leaps_never_restarts():
    assert Verdict.RESTART not in admitted([0, *(step * 20_000 & 0xFFFF for step in range(1, 50))])


def test_a_second_source_waits_until_the_first_is_silent():
    gate = StreamGate(Counter())
    assert gate.admit(7, 1, 0.0) is Verdict.PASS
    assert gate.admit(8, 1, 1.0) is Verdict.DROP
    assert gate.admit(7, 2, 1.0) is Verdict.PASS
    assert gate.admit(8, 2, 3.0) is Verdict.RESTART
    assert gate.ssrc == 8
    assert gate.dropped == {"foreign_ssrc": 1}
