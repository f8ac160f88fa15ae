"""Live events: nobody waits, nothing is lost unsaid, any thread may post, the end comes last."""

import asyncio
import threading
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from guard.core.errors import CapacityError
from guard.session.events import WAITING, Event, EventKind, Events, Listener

pytestmark = pytest.mark.unit

AT = datetime(2026, 1, 1, tzinfo=UTC)


def left(number: int, thread: str = "") -> Event:
    return Event(EventKind.LEFT, AT, room=thread, participant_id=str(number))


def numbers(events: list[Event]) -> list[int]:
    return [int(event.participant_id or "") for event in events]


@pytest.fixture
async def events() -> Events:
    events = Events(capacity=2)
    events.start()
    return events


async def all_of(listener: Listener) -> list[Event]:
    async with asyncio.timeout(10):
        return [event async for event in listener.events()]


async def test_events_come_in_their_order_and_the_end_after_them(events: Events):
    with events.listen(lambda _: True) as listener:
        for number in range(5):
            events.post(left(number))
        events.close()
        assert numbers(await all_of(listener)) == [0, 1, 2, 3, 4]
        assert await all_of(listener) == []


async def test_a_listener_hears_only_what_it_wants(events: Events):
    with (
        events.listen(lambda event: event.room == "a") as one,
        events.listen(lambda event: event.room == "b") as other,
    ):
        for number, room in enumerate("abab"):
            events.post(left(number, room))
        events.close()
        assert numbers(await all_of(one)) == [0, 2]
        assert numbers(await all_of(other)) == [1, 3]


async def test_a_slow_listener_loses_the_oldest_and_knows_how_many(events: Events):
    with events.listen(lambda _: True) as slow, events.listen(lambda _: True) as quick:
        async with aclosing(quick.events()) as stream:
            for number in range(WAITING + 3):
                events.post(left(number))
                assert (await anext(stream)).participant_id == str(number)
        events.close()
        heard = numbers(await all_of(slow))
    assert (slow.dropped, quick.dropped) == (3, 0)
    assert heard == list(range(3, WAITING + 3))


async def test_no_event_of_many_threads_is_lost_or_out_of_its_order(events: Events):
    def post_all(name: str) -> None:
        for number in range(50):
            events.post(left(number, name))

    threads = [threading.Thread(target=post_all, args=(name,)) for name in "abcd"]
    with events.listen(lambda _: True) as listener:
        heard: list[Event] = []
        for thread in threads:
            thread.start()
        async with asyncio.timeout(10), aclosing(listener.events()) as stream:
            while len(heard) < 200:
                heard.append(await anext(stream))
    for thread in threads:
        thread.join()
    for name in "abcd":
        assert numbers([event for event in heard if event.room == name]) == list(range(50))


async def test_an_event_wakes_a_listener_that_waits(events: Events):
    with events.listen(lambda _: True) as listener:
        waiting = asyncio.create_task(all_of(listener))
        for number in range(3):
            await asyncio.sleep(0)
            events.post(left(number))
            await asyncio.sleep(0)
        events.close()
        assert numbers(await waiting) == [0, 1, 2]


async def test_an_event_is_made_on_the_event_loop(events: Events):
    made_in: list[int] = []

    def make() -> Event:
        made_in.append(threading.get_ident())
        return left(1)

    with events.listen(lambda _: True) as listener:
        await asyncio.to_thread(events.post_made, make)
        events.close()
        assert numbers(await all_of(listener)) == [1]
    assert made_in == [threading.get_ident()]


async def test_too_many_listeners_are_refused_and_places_come_back(events: Events):
    with (
        events.listen(lambda _: True),
        events.listen(lambda _: True),
        pytest.raises(CapacityError, match="fewer than 2 live event streams"),
        events.listen(lambda _: True),
    ):
        pass
    with events.listen(lambda _: True):
        pass


async def test_whoever_comes_after_the_end_hears_that_it_is_the_end(events: Events):
    events.close()
    await asyncio.sleep(0)
    with events.listen(lambda _: True) as listener:
        assert await all_of(listener) == []


def test_after_the_loop_nobody_hears_and_nothing_breaks():
    events = Events(capacity=1)
    events.post(left(0))

    async def live() -> None:
        events.start()

    asyncio.run(live())
    events.post(left(1))
    events.post_made(lambda: left(2))
    events.close()
