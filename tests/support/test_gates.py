"""Each gate lets the tidy pass and catches the one it is there for."""

import asyncio
import threading
from collections.abc import Iterator
from typing import cast

import pytest
from blockbuster import BlockingError

import guard
from tests.support import gates

pytestmark = pytest.mark.unit


class FakeModule:
    """A collected test module with marks."""

    nodeid = "tests/test_x.py"

    def __init__(self, *marks: str) -> None:
        self._marks = marks

    def iter_markers(self) -> Iterator[pytest.Mark]:
        return (getattr(pytest.mark, mark).mark for mark in self._marks)

    def getparent(self, _kind: type) -> "FakeModule":
        return self


def problems_of(*marks: str) -> list[str]:
    return gates.category_problems([cast("pytest.Item", FakeModule(*marks))])


def test_module_with_one_category_is_taken():
    assert problems_of("unit", "virtual_time") == []


@pytest.mark.parametrize("marks", [(), ("virtual_time",), ("unit", "media")])
def test_module_with_none_or_two_categories_is_named(marks: tuple[str, ...]):
    (problem,) = problems_of(*marks)
    assert problem.startswith("tests/test_x.py: expected one category")


def test_thread_left_running_fails_by_name():
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="forgotten")
    with pytest.raises(pytest.fail.Exception, match="forgotten"), gates.no_thread_left(patience_s=0.01):
        thread.start()
    release.set()
    thread.join(5)


def test_thread_that_is_just_ending_passes():
    with gates.no_thread_left():
        threading.Thread(target=int).start()


async def test_task_left_running_is_ended_and_named():
    task = asyncio.create_task(asyncio.sleep(100), name="forgotten")
    left = await gates.end_tasks_left()
    assert [line.split(":")[0] for line in left if "forgotten" in line] == ["forgotten"]
    assert task.cancelled()


def run_as_guard(source: str) -> None:
    """Run code as if it stood in a file of the package."""
    code = compile(source, f"{guard.__path__[0]}/flow/made_up.py", "exec")
    exec(code, {})  # noqa: S102 -- the gate looks at the file name of the caller


async def test_our_code_must_not_block_the_loop():
    with pytest.raises(BlockingError, match=r"time\.sleep"):
        run_as_guard("import time; time.sleep(0)")


async def test_our_code_may_block_in_a_thread():
    await asyncio.to_thread(run_as_guard, "import time; time.sleep(0)")


async def test_our_code_may_log_from_the_loop():
    run_as_guard("import logging; logging.getLogger('x').warning('said')")
