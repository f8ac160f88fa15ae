"""What every test is held to: no task left, no thread left, no blocking call of ours on the event loop."""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
from blockbuster import blockbuster_ctx

CATEGORIES = {"unit", "media", "model", "gpu", "e2e"}
"""A test module carries exactly one of these marks."""

THREADS_ALLOWED = {
    "asyncio_": "the default pool of a loop ends with the loop, after the test",
    "uvloop_": "the same pool where the loop is uvloop's",
}
"""Beginnings of the names of threads that may outlive a test, with the reason."""

MAY_BLOCK = (
    ("logging/__init__.py", {"emit", "flush"}, "a log line to stderr is short and must not be lost"),
    ("importlib/_bootstrap.py", {"_find_and_load"}, "a module is read once"),
    ("<frozen importlib._bootstrap>", {"_find_and_load"}, "a module is read once"),
    ("linecache.py", {"updatecache", "checkcache"}, "a traceback shows its source lines"),
    (
        "concurrent/futures/thread.py",
        {"submit"},
        "starting a pool's thread waits for the thread's first step",
    ),
    ("threading.py", {"start"}, "starting a thread waits for the thread's first step"),
)
"""Where our code may block the loop for a moment: file, functions, reason."""


def category_problems(items: Iterable[pytest.Item]) -> list[str]:
    """One line for each test module that does not carry exactly one category."""
    modules = {item.getparent(pytest.Module) for item in items} - {None}
    problems = []
    for module in modules:
        assert module is not None
        found = sorted({mark.name for mark in module.iter_markers()} & CATEGORIES)
        if len(found) != 1:
            problems.append(
                f"{module.nodeid}: expected one category, got {found or 'none'}; "
                f"write `pytestmark = pytest.mark.unit` (or one of {', '.join(sorted(CATEGORIES))})"
            )
    return sorted(problems)


@contextmanager
def no_thread_left(patience_s: float = 2.0) -> Iterator[None]:
    """Fail when a thread started inside still runs ``patience_s`` after the end."""
    before = set(threading.enumerate())
    yield
    started = [thread for thread in threading.enumerate() if thread not in before]
    for thread in started:
        if not thread.name.startswith(tuple(THREADS_ALLOWED)):
            thread.join(patience_s)
            if thread.is_alive():
                pytest.fail(f"thread {thread.name!r} still runs after the test; close what started it")


async def end_tasks_left() -> list[str]:
    """Cancel every other task of the running loop; return the names of those that were left over."""
    await asyncio.sleep(0)  # a task just cancelled gets its last step
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    return sorted(f"{task.get_name()}: {task.get_coro()}" for task in left)


@contextmanager
def no_blocking_call() -> Iterator[None]:
    """Raise BlockingError where code of ``guard`` blocks the thread on which a loop runs."""
    with blockbuster_ctx("guard") as gate:
        for function in gate.functions.values():
            for file, names, _reason in MAY_BLOCK:
                function.can_block_in(file, names)
        yield
