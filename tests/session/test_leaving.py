"""The alerts of those who leave: a slow disk costs all of them two waits, not one each."""

import asyncio
import threading
from collections.abc import Iterable
from types import SimpleNamespace

import pytest

from guard.alerts.lifecycle import Participant
from guard.session.leaving import Leaving

pytestmark = pytest.mark.unit


class SlowDesk:
    """Waits for the test before it closes anything."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()

    def participants_left(self, people: Iterable[Participant], now: float) -> list[SimpleNamespace]:
        people = list(people)
        self.batches.append([one.participant_id for one in people])
        assert now == 7.0
        assert self.gate.wait(20.0)
        return [SimpleNamespace(participant=one) for one in people]


async def test_who_leaves_while_others_are_written_goes_with_the_next():
    desk = SlowDesk()
    leaving = Leaving(desk, lambda: 7.0)  # type: ignore[arg-type]  # a desk in all that is asked here
    people = [Participant("c_1", f"p_{number}") for number in range(9)]
    async with asyncio.TaskGroup() as group:
        closing = [group.create_task(leaving.close_alerts(one)) for one in people]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        desk.gate.set()
    assert [len(batch) for batch in desk.batches] in ([1, 8], [9])
    assert [task.result()[0].participant for task in closing] == people
    assert leaving._closed == {}


async def test_who_gives_up_waiting_is_written_all_the_same():
    desk = SlowDesk()
    leaving = Leaving(desk, lambda: 7.0)  # type: ignore[arg-type]  # same
    first, second, third = (
        asyncio.create_task(leaving.close_alerts(Participant("c_1", f"p_{number}"))) for number in range(3)
    )
    await asyncio.sleep(0)
    second.cancel()
    desk.gate.set()
    assert len(await first) == len(await third) == 1
    assert sorted(who for batch in desk.batches for who in batch) == ["p_0", "p_1", "p_2"]
