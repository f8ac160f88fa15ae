import logging
from functools import partial

import pytest

from guard.media.assembler import AccessUnit
from guard.media.worker import LOG_INTERVAL, UnitWorker, attempt
from tests.support.media import ManualClock, eventually, unit

pytestmark = pytest.mark.unit


class Fragile:
    """Takes units; breaks at those numbered."""

    def __init__(self, *breaks_at: int) -> None:
        self.taken: list[bytes] = []
        self._breaking = [unit(number).payload for number in breaks_at]

    def take(self, one: AccessUnit) -> None:
        if one.payload in self._breaking:
            msg = "broken"
            raise RuntimeError(msg)
        self.taken.append(one.payload)


async def test_a_crash_costs_one_unit_and_is_counted():
    fragile = Fragile(1, 3)
    worker = UnitWorker("fragile", 10, fragile.take)
    worker.put(unit(0, keyframe=True))
    for number in range(1, 5):
        worker.put(unit(number))
    await eventually(lambda: len(fragile.taken) == 3)
    await worker.close()
    assert fragile.taken == [unit(0, keyframe=True).payload, unit(2).payload, unit(4).payload]
    assert worker.dropped == {"crash": 2}
    assert not worker.needs_keyframe


def test_crashes_are_logged_now_and_then(caplog: pytest.LogCaptureFixture):
    clock = ManualClock()
    worker = UnitWorker("fragile", 10, Fragile(1).take)
    for step in (0.0, 1.0, LOG_INTERVAL, 1.0):
        clock.now += step
        worker._take(unit(1), clock)
    texts = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(texts) == 2
    assert all(record.exc_info for record in caplog.records)
    assert worker.dropped["crash"] == 4


def test_an_attempt_gives_what_went_wrong():
    assert attempt(lambda: None) is None
    assert str(attempt(partial(Fragile(1).take, unit(1)))) == "broken"
    with pytest.raises(KeyboardInterrupt):
        attempt(lambda: (_ for _ in ()).throw(KeyboardInterrupt()))
