"""A generator that runs ahead in its own thread."""

import threading
from collections.abc import Generator

import pytest

from guard.flow.ahead import ahead

pytestmark = pytest.mark.unit


class Counting:
    """Counts up to ``end``; knows how far it got, in which thread, and whether it was closed."""

    def __init__(self, end: int, error: Exception | None = None) -> None:
        self.given = 0
        self.closed = threading.Event()
        self.thread = ""
        self._end = end
        self._error = error

    def items(self) -> Generator[int, None, None]:
        try:
            while self.given < self._end:
                self.given += 1
                self.thread = threading.current_thread().name
                yield self.given
            if self._error:
                raise self._error
        finally:
            self.closed.set()


def test_every_item_comes_in_order_from_a_thread_of_its_own():
    counting = Counting(100)
    with ahead(counting.items(), 3, "counting") as taken:
        assert list(taken) == list(range(1, 101))
    assert counting.thread.startswith("counting")


def test_it_runs_no_further_ahead_than_told():
    counting = Counting(100)
    with ahead(counting.items(), 3, "counting") as taken:
        for number in taken:
            # one is taken, three wait, one is in the thread's hand
            assert counting.given <= number + 4


def test_an_error_comes_after_the_items_before_it():
    counting = Counting(2, ValueError("torn"))
    seen: list[int] = []
    with pytest.raises(ValueError, match="torn"), ahead(counting.items(), 3, "counting") as taken:
        seen.extend(taken)
    assert seen == [1, 2]


@pytest.mark.parametrize("wanted", [0, 1, 5])
def test_leaving_early_closes_the_generator_and_ends_the_thread(wanted: int):
    counting = Counting(10**9)
    with ahead(counting.items(), 3, "counting") as taken:
        assert [next(taken) for _ in range(wanted)] == list(range(1, wanted + 1))
    assert counting.closed.is_set()
    assert counting.given < 10**6


def test_an_error_in_the_block_ends_the_thread():
    counting = Counting(10**9)
    with pytest.raises(KeyError), ahead(counting.items(), 3, "counting"):
        raise KeyError
    assert counting.closed.is_set()
