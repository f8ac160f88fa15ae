"""The gates every test passes, and the choice of the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import hypothesis
import pytest
import structlog
from pytest_asyncio import is_async_test

from guard.flow.loops import loop_factory
from tests.support import gates
from tests.support.virtual_time import VirtualTimeLoop

hypothesis.settings.register_profile("guard", deadline=None)  # a busy machine is no finding
hypothesis.settings.load_profile("guard")

TWICE = ("e2e", "peers")
"""Marks of tests with real sockets, clocks and other people's programs on a machine shared with others.

One that fails is tried once more; the summary then says RERUN: a defect to look for, though not a red run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test module without its one category; let tests of other programs, in real time, try twice."""
    if problems := gates.category_problems(items):
        raise pytest.UsageError("\n".join(problems))
    for item in items:
        if any(item.get_closest_marker(name) for name in TWICE):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The product's loop; with ``@pytest.mark.virtual_time`` the one that jumps from timer to timer."""
    virtual = item.get_closest_marker("virtual_time")
    return {"loop": VirtualTimeLoop if virtual else loop_factory()}


@pytest.fixture(autouse=True)
def logs_to_pytest() -> None:
    """What the product logs stands in the report of a failed test, not on the terminal."""
    structlog.configure(
        processors=[structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.make_filtering_bound_logger("debug"),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


@pytest.fixture(autouse=True, scope="session")
def no_engines_of_this_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What somebody fetched or trained on this machine bears on no test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("xdg")))
        yield


@pytest.fixture(autouse=True)
def thread_gate() -> Iterator[None]:
    """No thread outlives its test."""
    with gates.no_thread_left():
        yield


@pytest.fixture(autouse=True)
def loop_gate(thread_gate: None, request: pytest.FixtureRequest) -> Iterator[None]:  # noqa: ARG001 -- order
    """In a test on an event loop: no task outlives it, nothing of ours blocks the loop."""
    if not is_async_test(request.node):
        yield
        return
    request.getfixturevalue("task_gate")
    with gates.no_blocking_call():
        yield


@pytest.fixture
async def task_gate() -> AsyncIterator[None]:
    """No task outlives its test."""
    yield
    if left := await gates.end_tasks_left():
        pytest.fail("tasks still run after the test; await or close what started them:\n" + "\n".join(left))
