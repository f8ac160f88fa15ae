"""Mailbox: keeps the newest, counts what it drops, wakes its readers."""

import contextlib
import threading

import pytest

from guard.flow.mailbox import Closed, Mailbox

pytestmark = pytest.mark.unit


def test_full_mailbox_loses_its_oldest_and_counts_it():
    box: Mailbox[int] = Mailbox(2)
    for item in (1, 2, 3):
        box.put(item)
    assert box.dropped == 1
    assert [box.get(), box.get()] == [2, 3]


def test_empty_mailbox_gives_none_after_the_timeout():
    assert Mailbox[int]().get(timeout=0) is None


def test_closed_mailbox_gives_what_is_left_then_says_closed():
    box: Mailbox[int] = Mailbox(2)
    box.put(1)
    box.close()
    box.put(2)
    assert box.get() == 1
    with pytest.raises(Closed):
        box.get()


def test_close_wakes_every_waiting_reader():
    box: Mailbox[int] = Mailbox()
    ended: list[str] = []

    def read() -> None:
        with pytest.raises(Closed):
            box.get()
        ended.append(threading.current_thread().name)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    box.close()
    for reader in readers:
        reader.join(5)
    assert len(ended) == 3


def test_every_item_is_taken_or_counted_as_dropped():
    box: Mailbox[int] = Mailbox(3)
    taken: list[int] = []

    def read() -> None:
        with contextlib.suppress(Closed):
            while (item := box.get()) is not None:
                taken.append(item)

    reader = threading.Thread(target=read)
    reader.start()
    for item in range(1000):
        box.put(item)
    box.close()
    reader.join(5)
    assert len(taken) + box.dropped == 1000
    assert taken == sorted(taken)
    assert taken[-1] == 999


def test_capacity_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Mailbox(0)
