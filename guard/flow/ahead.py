"""Runs an iterator in a thread of its own, a few items ahead of whoever takes them."""

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from queue import Empty, Queue
from typing import Final, TypeVar

T = TypeVar("T")

_END: Final = object()


@contextmanager
def ahead(items: Generator[T, None, None], size: int, name: str) -> Iterator[Iterator[T]]:
    """Hand out the items of a generator that runs at most ``size`` of them ahead, in the thread ``name``.

    Policy: the generator waits while the queue is full, so nothing is dropped and the order is kept. What it
    raises is raised here, after the items before it. It is closed, in its thread, when the block is left.
    """
    queue: Queue[T | object] = Queue(size)
    stopping = threading.Event()
    with ThreadPoolExecutor(1, name) as pool:
        running = pool.submit(_run, items, queue, stopping)

        def taken() -> Iterator[T]:
            while (item := queue.get()) is not _END:
                yield item  # type: ignore[misc]  # whatever is not the end is an item
            running.result()

        try:
            yield taken()
        finally:
            stopping.set()
            _empty(queue)  # lets the thread out of the one wait in which it may be; it begins no other


def _run(items: Generator[T, None, None], queue: "Queue[T | object]", stopping: threading.Event) -> None:
    try:
        with closing(items):
            for item in items:
                if stopping.is_set():
                    return
                queue.put(item)
    finally:
        if not stopping.is_set():
            queue.put(_END)


def _empty(queue: "Queue[T | object]") -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        pass
