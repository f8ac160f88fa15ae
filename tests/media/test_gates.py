from collections import Counter

import pytest

from guard.media.gates import DatagramGate, StreamGate, Verdict

pytestmark = pytest.mark.unit

PEER = ("192.0.2.1", 4000)
STRANGER = ("192.0.2.2", 4000)
RTP = b"\x80" + bytes(20)


@pytest.mark.parametrize("length", [0, 1473, 65_507])
def test_datagrams_that_crash_the_receiver_are_dropped(length: int):
    gate = DatagramGate(Counter())
    gate.know(PEER)
    assert not gate.admit(bytes([0x80] * length), PEER, 0)
    assert gate.dropped["size"] == 1


def test_media_and_dtls_come_only_from_an_address_that_passed_a_check():
    gate = DatagramGate(Counter())
    gate.know(PEER)
    assert gate.admit(RTP, PEER, 0)
    assert not gate.admit(RTP, STRANGER, 0)
    assert not gate.admit(b"\x16\xfe\xfd" + bytes(20), STRANGER, 0)
    assert gate.dropped == {"stranger": 2}


def test_stun_comes_from_anywhere():
    assert DatagramGate(Counter()).admit(b"\x00\x01" + bytes(18), STRANGER, 0)


def test_no_more_than_512_datagrams_wait():
    gate = DatagramGate(Counter())
    gate.know(PEER)
    assert gate.admit(RTP, PEER, 511)
    assert not gate.admit(RTP, PEER, 512)


def test_the_addresses_known_are_bounded():
    gate = DatagramGate(Counter())
    for port in range(1000):
        gate.know(("192.0.2.1", port))
    assert sum(gate.knows(("192.0.2.1", port)) for port in range(1000)) == 32


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
