"""Live events: nobody waits, nothing is lost unsaid, any thread may post, the end comes last."""

import asyncio
import threading
from contextlib import ExitStack, aclosing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from guard.core.errors import CapacityError
from guard.session.events import (
    RESERVED,
    STREAMS_PER_OWNER,
    WAITING,
    Event,
    Events,
    Left,
    Listener,
    StateChanged,
)
from tests.support.node import status

pytestmark = pytest.mark.unit

AT = datetime(2026, 1, 1, tzinfo=UTC)


def left(number: int, room: str = "") -> Left:
    return Left(AT, room, str(number), "left")


def state(who: str, name: str = "") -> StateChanged:
    return StateChanged(AT, "", replace(status(name), id=who))


def from_room(event: Event, room: str) -> bool:
    return isinstance(event, Left) and event.room == room


def numbers(events: list[Event]) -> list[int]:
    return [int(event.participant_id) for event in events if isinstance(event, Left)]


@pytest.fixture
async def events() -> Events:
    events = Events(capacity=RESERVED + 2)
    events.start()
    return events


async def all_of(listener: Listener) -> list[Event]:
    async with asyncio.timeout(10):
        return [event async for event in listener.events()]


async def test_events_come_in_their_order_and_the_end_after_them(events: Events):
    with events.listen(lambda _: True, "ada") as listener:
        for number in range(5):
            events.post(left(number))
        events.close()
        assert numbers(await all_of(listener)) == [0, 1, 2, 3, 4]
        assert await all_of(listener) == []


async def test_a_listener_hears_only_what_it_wants(events: Events):
    with (
        events.listen(lambda event: from_room(event, "a"), "ada") as one,
        events.listen(lambda event: from_room(event, "b"), "bob") as other,
    ):
        for number, room in enumerate("abab"):
            events.post(left(number, room))
        events.close()
        assert numbers(await all_of(one)) == [0, 2]
        assert numbers(await all_of(other)) == [1, 3]


async def test_a_slow_listener_loses_the_oldest_and_knows_how_many(events: Events):
    with events.listen(lambda _: True, "ada") as slow, events.listen(lambda _: True, "ada") as quick:
        async with aclosing(quick.events()) as stream:
            for number in range(WAITING + 3):
                events.post(left(number))
                assert await anext(stream) == left(number)
        events.close()
        heard = numbers(await all_of(slow))
    assert (slow.dropped, quick.dropped) == (3, 0)
    assert heard == list(range(3, WAITING + 3))


async def test_a_state_takes_the_place_of_the_one_that_waits(events: Events):
    with events.listen(lambda _: True, "ada") as listener:
        for event in (state("p_1", "old"), left(1), state("p_2"), state("p_1", "new"), left(2)):
            events.post(event)
        events.close()
        heard = await all_of(listener)
    assert heard == [state("p_1", "new"), left(1), state("p_2"), left(2)]
    assert listener.dropped == 0


async def test_states_push_out_nothing_else_and_are_bounded(events: Events):
    with events.listen(lambda _: True, "ada") as listener:
        events.post(left(0))
        for number in range(WAITING + 3):
            events.post(state(f"p_{number}"))
        events.close()
        heard = await all_of(listener)
    assert heard == [left(0), *(state(f"p_{number}") for number in range(3, WAITING + 3))]
    assert listener.dropped == 3


async def test_no_event_of_many_threads_is_lost_or_out_of_its_order(events: Events):
    def post_all(name: str) -> None:
        for number in range(50):
            events.post(left(number, name))

    threads = [threading.Thread(target=post_all, args=(name,)) for name in "abcd"]
    with events.listen(lambda _: True, "ada") as listener:
        heard: list[Event] = []
        for thread in threads:
            thread.start()
        async with asyncio.timeout(10), aclosing(listener.events()) as stream:
            while len(heard) < 200:
                heard.append(await anext(stream))
    for thread in threads:
        thread.join()
    for name in "abcd":
        assert numbers([event for event in heard if from_room(event, name)]) == list(range(50))


async def test_an_event_wakes_a_listener_that_waits(events: Events):
    with events.listen(lambda _: True, "ada") as listener:
        waiting = asyncio.create_task(all_of(listener))
        for number in range(3):
            await asyncio.sleep(0)
            events.post(left(number))
            await asyncio.sleep(0)
        events.close()
        assert numbers(await waiting) == [0, 1, 2]


async def test_an_event_is_made_on_the_event_loop(events: Events):
    made_in: list[int] = []

    def make() -> list[Event]:
        made_in.append(threading.get_ident())
        return [left(1)]

    with events.listen(lambda _: True, "ada") as listener:
        await asyncio.to_thread(events.post_made, make)
        events.close()
        assert numbers(await all_of(listener)) == [1]
    assert made_in == [threading.get_ident()]


async def test_too_many_listeners_are_refused_and_places_come_back():
    events = Events(capacity=RESERVED + 2)
    with ExitStack() as taken:
        for number in range(2):
            taken.enter_context(events.listen(lambda _: True, f"guest {number}"))
        with pytest.raises(CapacityError, match="fewer than 2 live event streams"):
            taken.enter_context(events.listen(lambda _: True, "guest"))
        for number in range(RESERVED):
            taken.enter_context(events.listen(lambda _: True, f"root {number}", reserved=True))
        with pytest.raises(CapacityError, match=f"fewer than {RESERVED + 2} live event streams"):
            taken.enter_context(events.listen(lambda _: True, "root", reserved=True))
    with events.listen(lambda _: True, "guest"):
        assert len(events) == 1


async def test_those_who_look_after_the_node_do_not_count_against_the_others():
    events = Events(capacity=RESERVED + 1)
    with events.listen(lambda _: True, "root", reserved=True), events.listen(lambda _: True, "guest"):
        assert len(events) == 2


async def test_one_person_has_only_so_many_streams():
    events = Events(capacity=1000)
    with ExitStack() as taken:
        for _ in range(STREAMS_PER_OWNER):
            taken.enter_context(events.listen(lambda _: True, "ada"))
        with pytest.raises(CapacityError, match=f"fewer than {STREAMS_PER_OWNER} .* yours; close one"):
            taken.enter_context(events.listen(lambda _: True, "ada", reserved=True))
        taken.enter_context(events.listen(lambda _: True, "bob"))


async def test_whoever_comes_after_the_end_hears_that_it_is_the_end(events: Events):
    events.close()
    await asyncio.sleep(0)
    with events.listen(lambda _: True, "ada") as listener:
        assert await all_of(listener) == []


def test_after_the_loop_nobody_hears_and_nothing_breaks():
    events = Events(capacity=1)
    events.post(left(0))

    async def live() -> None:
        events.start()

    asyncio.run(live())
    events.post(left(1))
    events.post_made(lambda: [left(2)])
    events.close()
