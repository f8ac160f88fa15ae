import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.errors import MediaError
from guard.media.assembler import AccessUnit, Assembler, Codec, MediaTime, Packet, Unwrapper
from tests.support.media import packets_of, unit

pytestmark = pytest.mark.unit


def push_all(assembler: Assembler, packets: list[Packet]) -> list[AccessUnit]:
    return [done for packet in packets for done in assembler.push(packet)]


def units(count: int, keyframes: set[int]) -> list[AccessUnit]:
    return [unit(number, keyframe=number in keyframes) for number in range(count)]


def payloads(found: list[AccessUnit]) -> list[bytes]:
    return [one.payload for one in found]


def test_the_marker_completes_a_unit_at_once():
    first = packets_of(units(1, {0}))
    assembler = Assembler(Codec.VP8)
    assert push_all(assembler, first[:-1]) == []
    (done,) = assembler.push(first[-1])
    assert done.payload == unit(0, keyframe=True).payload
    assert done.keyframe
    assert done.arrived_at == first[-1].arrived_at


def test_without_markers_the_next_unit_completes_the_last():
    packets = [packet._replace(marker=False) for packet in packets_of(units(3, {0}))]
    assert payloads(push_all(Assembler(Codec.VP8), packets)) == payloads(units(2, {0}))


def test_sequence_numbers_wrap():
    sent = units(4, {0})
    assert payloads(push_all(Assembler(Codec.VP8), packets_of(sent, first=65533))) == payloads(sent)


def test_timestamps_wrap_and_media_time_runs_on():
    clock = MediaTime(90_000)
    times = [clock((0xFFFFFFFF - 2999 + step * 3000) & 0xFFFFFFFF, 0.0) for step in range(3)]
    assert times == pytest.approx([0, 1 / 30, 2 / 30])


def test_media_time_goes_on_from_arrival_after_a_restart():
    clock = MediaTime(90_000)
    clock(5000, 10.0)
    clock.restart()
    assert clock(123_456_789, 10.5) == pytest.approx(0.5)


@given(st.lists(st.integers(-20_000, 20_000), min_size=1, max_size=50), st.integers(0, 65535))
def test_an_unwrapped_counter_follows_every_step(steps: list[int], start: int):
    unwrap, expected = Unwrapper(16), start
    unwrap(start)
    for step in steps:
        expected += step
        assert unwrap(expected & 0xFFFF) == expected


def test_reordered_packets_come_out_in_order():
    sent = units(20, {0})
    packets = packets_of(sent, first=65520)
    head, tail = packets[:1], packets[1:]
    groups = [tail[at : at + 5] for at in range(0, len(tail), 5)]
    shuffled = [packet for group in groups for packet in reversed(group)]
    assembler = Assembler(Codec.VP8)
    assert payloads(push_all(assembler, head + shuffled)) == payloads(sent)
    assert not assembler.needs_keyframe


def test_a_packet_that_comes_twice_counts_once():
    packets = packets_of(units(2, {0}))
    assembler = Assembler(Codec.VP8)
    assert len(push_all(assembler, [packets[0], *packets])) == 2
    assert assembler.discarded["late"] == 1


def test_a_gap_discards_up_to_the_next_keyframe_and_asks_for_it():
    sent = units(12, {0, 9})
    packets = packets_of(sent)
    lost = packets.pop(3)
    assembler = Assembler(Codec.VP8, window=4)
    asked = []
    found = []
    for packet in packets:
        found += assembler.push(packet)
        asked.append(assembler.needs_keyframe)
    assert lost.payload in sent[1].payload
    assert payloads(found) == payloads([sent[0], *sent[9:]])
    assert any(asked)
    assert not asked[-1]
    assert assembler.discarded["lost_packet"] == 1


def test_a_gap_is_given_up_after_the_hold_time():
    packets = packets_of(units(6, {0, 5}))
    assembler = Assembler(Codec.VP8, hold=0.05)
    push_all(assembler, [*packets[:2], packets[3]])
    assert not assembler.needs_keyframe
    assembler.push(packets[4]._replace(arrived_at=packets[3].arrived_at + 0.05))
    assert assembler.needs_keyframe


def test_nothing_comes_before_the_first_keyframe():
    sent = units(5, {3})
    assembler = Assembler(Codec.VP8)
    assert payloads(push_all(assembler, packets_of(sent))) == payloads(sent[3:])
    assert assembler.discarded["no_keyframe"] == 3


def test_a_unit_without_its_head_is_no_unit():
    packets = packets_of(units(3, {0, 1}))
    assert payloads(push_all(Assembler(Codec.VP8), packets[1:])) == payloads(units(3, {0, 1})[1:])


def test_a_unit_that_is_too_large_is_discarded():
    sent = [unit(0, keyframe=True), unit(1, keyframe=True)]
    assembler = Assembler(Codec.VP8, max_bytes=4)
    assert push_all(assembler, packets_of(sent)) == []
    assert assembler.discarded["oversize"] == 2


def test_padding_only_packets_leave_no_gap():
    sent = units(2, {0})
    first = packets_of(sent[:1])
    padding = first[-1]._replace(sequence_number=len(first), number=len(first), payload=b"", starts=True)
    rest = packets_of(sent[1:], first=len(first) + 1)
    assert payloads(push_all(Assembler(Codec.VP8), [*first, padding, *rest])) == payloads(sent)


def test_a_restart_begins_anew_without_waiting_for_the_gap():
    before, after = packets_of(units(2, {0})), packets_of(units(2, {0}), first=40_000, restarts=True)
    assembler = Assembler(Codec.VP8)
    assert len(push_all(assembler, before + after)) == 4
    assert assembler.discarded["lost_packet"] == 0


def test_audio_goes_on_after_a_loss_without_a_keyframe():
    sent = [unit(number, codec=Codec.OPUS) for number in range(12)]
    packets = packets_of(sent, size=5)
    del packets[4]
    found = push_all(Assembler(Codec.OPUS, window=3), packets)
    assert payloads(found) == payloads(sent[:4] + sent[5:])
    assert all(one.keyframe for one in found)


def test_a_unit_against_the_policy_is_told_and_the_next_keyframe_is_found():
    bad = AccessUnit(Codec.H264, b"\0\0\1" * 2000, 0, 0.0, keyframe=True, arrived_at=0.0)
    good = AccessUnit(Codec.H264, b"\0\0\1\x65", 3000, 1 / 30, keyframe=True, arrived_at=0.0)
    packets = packets_of([bad, good], size=3000)
    assembler = Assembler(Codec.H264)
    push_all(assembler, packets[:1])
    with pytest.raises(MediaError, match="at most 1024 NAL units"):
        assembler.push(packets[1])
    assert assembler.needs_keyframe
    assert payloads(push_all(assembler, packets[2:])) == [good.payload]
    assert assembler.discarded == {"policy": 1}
