import asyncio

import pytest

from guard.media.assembler import Codec
from guard.media.forwarder import UnitQueue
from tests.support.media import ManualClock, unit

pytestmark = pytest.mark.unit


async def begun(queue: UnitQueue) -> asyncio.Task[object]:
    """A queue whose receiver has asked once and waits."""
    asked = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    return asked


async def rest(queue: UnitQueue, count: int) -> list[bytes]:
    return [one.payload for one in [await queue.next() for _ in range(count)] if one is not None]


async def test_nothing_is_kept_before_the_receiver_asks():
    queue = UnitQueue(4, ManualClock())
    queue.put(unit(0, keyframe=True))
    assert not queue.needs_keyframe
    asked = await begun(queue)
    assert queue.needs_keyframe
    queue.put(unit(1, keyframe=True))
    assert await asked == unit(1, keyframe=True)


async def test_a_receiver_begins_at_a_keyframe():
    queue = UnitQueue(4, ManualClock())
    asked = await begun(queue)
    for number in range(3):
        queue.put(unit(number))
    queue.put(unit(3, keyframe=True))
    assert await asked == unit(3, keyframe=True)
    assert queue.dropped == {"no_keyframe": 3}


async def test_overflow_drops_to_the_next_keyframe_and_goes_on_live():
    queue = UnitQueue(3, ManualClock())
    asked = await begun(queue)
    queue.put(unit(0, keyframe=True))
    await asked
    for number in range(1, 8):
        queue.put(unit(number))
    assert queue.needs_keyframe
    assert len(queue._units) == 3
    queue.put(unit(8, keyframe=True))
    queue.put(unit(9))
    assert await rest(queue, 2) == [unit(8, keyframe=True).payload, unit(9).payload]
    assert queue.dropped == {"overflow": 7}


async def test_units_count_as_sent_when_the_next_is_asked_for():
    clock = ManualClock(0.0)
    queue = UnitQueue(4, clock)
    asked = await begun(queue)
    queue.put(unit(0, keyframe=True))
    await asked
    assert queue.sent == 0
    clock.now = 0.002
    waiting = await begun(queue)
    assert queue.sent == 1
    assert list(queue.delays) == [0.002]
    queue.close()
    assert await waiting is None


async def test_a_closed_queue_takes_nothing():
    queue = UnitQueue(4, ManualClock())
    asked = await begun(queue)
    queue.close()
    queue.put(unit(0, keyframe=True))
    assert await asked is None
    assert await queue.next() is None


async def test_audio_that_overflows_goes_on_with_the_newest():
    queue = UnitQueue(3, ManualClock())
    asked = await begun(queue)
    for number in range(6):
        queue.put(unit(number, keyframe=True, codec=Codec.OPUS))
    await asked
    assert queue.dropped["overflow"] >= 3
    assert not queue.needs_keyframe
