import pytest

from guard.media.assembler import Codec, Packet
from guard.media.rtp.history import History

pytestmark = pytest.mark.unit


def packet(number: int) -> Packet:
    return Packet(
        Codec.VP8,
        sequence_number=number & 0xFFFF,
        timestamp=0,
        marker=True,
        starts=True,
        payload=b"",
        arrived_at=0.0,
    )


def test_the_last_packets_are_kept_and_no_others():
    history = History(4)
    kept = {number: packet(number) for number in range(65_533, 65_540)}
    for number, one in kept.items():
        history.put(number, one)
    assert [history.get(number) for number in range(65_536, 65_540)] == list(kept.values())[3:]
    assert history.get(65_535) is None
    assert history.get(70_000) is None
