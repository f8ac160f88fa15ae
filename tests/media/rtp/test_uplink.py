import time

import pytest

from guard.media.rtp.packet import Rtp, send_time
from guard.media.rtp.uplink import Uplink

pytestmark = pytest.mark.unit


def run(uplink: Uplink, seconds: float, *, queue_ms_per_s: float) -> None:
    """Video of 1 Mbit/s in four packets a picture, over a way whose queue grows."""
    for number in range(int(seconds * 30)):
        at = number / 30
        for part in range(4):
            packet = Rtp(
                payload_type=96,
                marker=part == 3,
                sequence_number=0,
                timestamp=number * 3000,
                ssrc=1,
                payload=bytes(1040),
            )
            uplink.add(packet, send_time(at), 5.0 + at + queue_ms_per_s * at / 1000)


def test_a_long_silence_costs_nothing_and_is_forgotten():
    uplink = Uplink()
    run(uplink, 1.0, queue_ms_per_s=0.0)
    before = time.thread_time()
    packet = Rtp(payload_type=96, marker=True, sequence_number=0, timestamp=7, ssrc=1, payload=bytes(1000))
    uplink.add(packet, send_time(3600.0), 3600.0)
    uplink.add(packet._replace(timestamp=8), send_time(3600.1), 3600.1)
    assert time.thread_time() - before < 0.5  # an hour, counted by milliseconds, takes seconds


def test_a_way_whose_queue_grows_carries_less_than_is_sent():
    free, full = Uplink(), Uplink()
    run(free, 5.0, queue_ms_per_s=0.0)
    run(full, 5.0, queue_ms_per_s=100.0)
    assert full.bitrate is not None
    assert full.bitrate < 1_000_000
    assert free.bitrate is None or free.bitrate > 1_000_000
