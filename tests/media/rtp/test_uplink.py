import time

import pytest

from guard.media.rtp.packet import Rtp, send_time
from guard.media.rtp.uplink import OVERUSE_LIFE, PAUSE, Uplink

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


class Way:
    """Pictures over a way of 100 ms and more, as its queue has it."""

    def __init__(self) -> None:
        self.uplink = Uplink()
        self.now = 1000.0
        self.queue = 0.0
        self.told: list[int | None] = []
        """What the estimate was after each picture."""

    def send(self, seconds: float, fps: float, size: int, *, queue_ms_per_s: float = 0.0) -> None:
        """Pictures of ``size`` bytes, in packets of 1,000."""
        for _ in range(int(seconds * fps)):
            self.now += 1 / fps
            self.queue = max(0.0, self.queue + queue_ms_per_s / 1000 / fps)
            for place in range(0, size, 1000):
                packet = Rtp(96, False, 0, int(self.now * 90_000), 1, bytes(min(1000, size - place)))  # noqa: FBT003 -- the marker
                self.uplink.add(packet, send_time(self.now), self.now + 0.1 + self.queue)
            self.told.append(self.uplink.bitrate)

    def obey(self, seconds: float, capacity: float) -> None:
        """Pictures of 2 Mbit/s, or of what is told, over a way of so many bit/s that holds half a second."""
        for _ in range(int(seconds * 30)):
            self.now += 1 / 30
            self.queue = max(0.0, self.queue - 1 / 30)
            size = int(min(2e6, self.uplink.bitrate or 2e6) / 240)
            for place in range(0, size, 1000):
                packet = Rtp(96, False, 0, int(self.now * 90_000), 1, bytes(min(1000, size - place)))  # noqa: FBT003 -- the marker
                if self.queue < 0.5:
                    self.queue += len(packet.payload) * 8 / capacity
                    self.uplink.add(packet, send_time(self.now), self.now + 0.1 + self.queue)
            self.told.append(self.uplink.bitrate)


def test_who_obeys_fills_a_narrow_way_and_has_its_bitrate_back_on_a_wide_one():
    way = Way()
    way.obey(20.0, 10e6)
    assert set(way.told) == {None}
    way.obey(60.0, 1e6)
    assert min(rate or 2e6 for rate in way.told) > 600_000
    assert way.queue < 0.1
    way.obey(60.0, 10e6)
    assert (way.uplink.bitrate or 2e6) >= 2e6


def test_a_still_screen_then_a_moving_one_on_a_free_way_is_not_limited():
    way = Way()
    way.send(60.0, 1, 5_000)
    way.send(20.0, 30, 8_300)
    assert set(way.told) == {None}


def test_a_limit_holds_for_half_a_minute_after_the_queue_last_grew():
    way = Way()
    way.send(5.0, 30, 4_000)
    way.send(3.0, 30, 4_000, queue_ms_per_s=100.0)
    assert way.uplink.bitrate is not None
    way.told.clear()
    way.send(3.0, 30, 4_000, queue_ms_per_s=-100.0)
    way.send(OVERUSE_LIFE - 4.0, 30, 4_000)
    assert None not in way.told
    way.send(4.0, 30, 4_000)
    assert way.uplink.bitrate is None


def test_a_pause_forgets_the_limit():
    way = Way()
    way.send(5.0, 30, 4_000)
    way.send(3.0, 30, 4_000, queue_ms_per_s=100.0)
    assert way.uplink.bitrate is not None
    way.now += PAUSE
    way.send(0.1, 30, 4_000)
    assert way.uplink.bitrate is None
