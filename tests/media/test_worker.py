import dataclasses
import logging
import threading
from functools import partial

import pytest

from guard.media.assembler import AccessUnit
from guard.media.worker import HANGS_AFTER, LOG_INTERVAL, UnitWorker, Work, attempt
from tests.support.media import eventually, unit

pytestmark = pytest.mark.unit


def at(now: float, number: int, *, keyframe: bool = False) -> AccessUnit:
    """A unit that arrives at ``now``."""
    return dataclasses.replace(unit(number, keyframe=keyframe), arrived_at=now)


class Hanging:
    """Makes work that hangs in each of the first ``hangs`` threads until that one is released."""

    def __init__(self, hangs: int) -> None:
        self.taken: list[tuple[int, bytes]] = []
        self.hung = 0
        self.made = 0
        self._releases = [threading.Event() for _ in range(hangs)]

    def make(self) -> Work:
        self.made += 1
        return partial(self._take, self.made)

    def release(self, *threads: int) -> None:
        for number in threads:
            self._releases[number - 1].set()

    def _take(self, thread: int, one: AccessUnit) -> None:
        if thread <= len(self._releases):
            self.hung += 1
            self._releases[thread - 1].wait()
        self.taken.append((thread, one.payload))


async def worked_off(worker: UnitWorker) -> None:
    """Wait until nothing waits or is in hand."""
    await eventually(lambda: worker._line is None or not worker._line.unfinished)


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
    worker = UnitWorker("fragile", 10, lambda: fragile.take)
    worker.put(unit(0, keyframe=True))
    for number in range(1, 5):
        worker.put(unit(number))
    await eventually(lambda: len(fragile.taken) == 3)
    await worker.close()
    assert fragile.taken == [unit(0, keyframe=True).payload, unit(2).payload, unit(4).payload]
    assert worker.dropped == {"crash": 2}
    assert not worker.needs_keyframe


def test_crashes_are_logged_now_and_then(caplog: pytest.LogCaptureFixture):
    fragile = Fragile(1)
    worker = UnitWorker("fragile", 10, lambda: fragile.take)
    for now in (100.0, 101.0, 101.0 + LOG_INTERVAL, 102.0 + LOG_INTERVAL):
        worker._take(fragile.take, at(now, 1))
    texts = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(texts) == 2
    assert all(record.exc_info for record in caplog.records)
    assert worker.dropped["crash"] == 4


def test_an_attempt_gives_what_went_wrong():
    assert attempt(lambda: None) is None
    assert str(attempt(partial(Fragile(1).take, unit(1)))) == "broken"
    with pytest.raises(KeyboardInterrupt):
        attempt(lambda: (_ for _ in ()).throw(KeyboardInterrupt()))


async def test_a_thread_that_hangs_is_left_behind_and_another_begins_at_a_keyframe(
    caplog: pytest.LogCaptureFixture,
):
    hanging = Hanging(1)
    worker = UnitWorker("hanging", 10, hanging.make)
    worker.put(at(0.0, 0, keyframe=True))
    worker.put(at(0.1, 1))
    await eventually(lambda: hanging.hung)
    worker.put(at(HANGS_AFTER - 0.1, 2))
    assert (hanging.made, worker.needs_keyframe) == (1, False)
    worker.put(at(HANGS_AFTER, 3))
    assert worker.needs_keyframe
    worker.put(at(HANGS_AFTER, 4, keyframe=True))
    await worked_off(worker)
    assert hanging.taken == [(2, unit(4, keyframe=True).payload)]
    assert worker.dropped == {"crash": 0, "hang": 3, "no_keyframe": 1}
    assert not worker.given_up
    assert "left behind" in caplog.text
    hanging.release(1)
    await worker.close()


async def test_a_thread_left_behind_takes_nothing_more_when_it_goes_on():
    hanging = Hanging(1)
    worker = UnitWorker("hanging", 10, hanging.make)
    worker.put(at(0.0, 0, keyframe=True))
    worker.put(at(0.1, 1))
    await eventually(lambda: hanging.hung)
    worker.put(at(HANGS_AFTER, 2, keyframe=True))
    await worked_off(worker)
    hanging.release(1)
    await eventually(lambda: not worker._left_behind[0].thread.alive)
    await worker.close()
    assert hanging.taken == [(2, unit(2, keyframe=True).payload), (1, unit(0, keyframe=True).payload)]


async def test_the_second_thread_that_hangs_is_the_last():
    hanging = Hanging(2)
    worker = UnitWorker("hanging", 10, hanging.make)
    for number in (1, 2, 3):
        assert not worker.given_up
        worker.put(at(number * HANGS_AFTER, number, keyframe=True))
        await eventually(lambda: hanging.hung == hanging.made)
    assert worker.given_up
    worker.put(at(60.0, 9, keyframe=True))
    assert (hanging.made, worker.dropped["hang"]) == (2, 2)
    hanging.release(1, 2)
    await worker.close()


async def test_a_thread_that_hung_and_has_ended_is_forgiven():
    hanging = Hanging(2)
    worker = UnitWorker("hanging", 10, hanging.make)
    for number in (1, 2):
        worker.put(at(number * HANGS_AFTER, number, keyframe=True))
        await eventually(lambda: hanging.hung == hanging.made)
    hanging.release(1)
    await eventually(lambda: not worker._left_behind[0].thread.alive)
    worker.put(at(3 * HANGS_AFTER, 3, keyframe=True))
    await worked_off(worker)
    assert hanging.taken == [(1, unit(1, keyframe=True).payload), (3, unit(3, keyframe=True).payload)]
    assert not worker.given_up
    hanging.release(2)
    await worker.close()


@pytest.mark.parametrize("pause", [HANGS_AFTER, 100 * HANGS_AFTER])
async def test_a_sender_that_pauses_is_not_taken_for_a_thread_that_hangs(pause: float):
    sound = Fragile()
    worker = UnitWorker("idle", 10, lambda: sound.take)
    for number in range(4):
        worker.put(at(number * pause, number, keyframe=number == 0))
        await worked_off(worker)
    await worker.close()
    assert len(sound.taken) == 4
    assert worker.dropped == {"crash": 0}


async def test_slow_progress_is_no_hang():
    gate = threading.Semaphore(0)

    def wait(_unit: AccessUnit) -> None:
        gate.acquire()

    worker = UnitWorker("slow", 10, lambda: wait)
    worker.put(at(0.0, 0, keyframe=True))
    for number in range(1, 5):
        worker.put(at(number * (HANGS_AFTER - 1), number))
        gate.release()
        line = worker._line
        assert line is not None
        await eventually(lambda: line.unfinished == 1)  # noqa: B023 -- awaited within the round
    gate.release()
    await worker.close()
    assert worker.dropped == {"crash": 0}
