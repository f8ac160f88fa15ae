import pytest

from guard.media.assembler import Codec, Packet
from guard.media.rtp.history import History

pytestmark = pytest.mark.unit


def packet(number: int, arrived_at: float = 0.0) -> Packet:
    return Packet(
        Codec.VP8,
        sequence_number=number & 0xFFFF,
        timestamp=0,
        marker=True,
        starts=True,
        payload=b"",
        arrived_at=arrived_at,
        number=number,
    )


def test_the_last_packets_are_kept_and_no_others():
    history = History(4)
    kept = {number: packet(number) for number in range(65_533, 65_540)}
    for one in kept.values():
        assert history.put(one)
    assert [history.get(number) for number in range(65_536, 65_540)] == list(kept.values())[3:]
    assert history.get(65_535) is None
    assert history.get(70_000) is None


def test_a_packet_goes_after_a_second_and_its_number_stays_taken():
    history = History(8, span=1.0)
    assert history.put(packet(3, 10.0))
    assert history.put(packet(4, 10.5))
    assert history.put(packet(5, 11.2))
    assert history.get(3) is None
    assert history.get(4) is not None
    assert not history.put(packet(3, 11.3))


def test_a_number_has_one_packet():
    history = History(4)
    assert history.put(packet(7))
    assert not history.put(packet(7))
    assert history.put(packet(11))
    assert not history.put(packet(7))
    history.clear()
    assert history.get(11) is None
    assert history.put(packet(7))
