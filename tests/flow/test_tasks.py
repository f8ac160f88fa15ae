"""Tasks: crashes are counted and stay alone, restarts are limited, closing leaves nothing."""

import asyncio

import pytest
from structlog.testing import capture_logs

from guard.flow.tasks import Restart, Tasks

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]


async def crash() -> None:
    raise LookupError("lost")


async def test_crash_ends_only_its_own_task_and_is_counted():
    told: list[tuple[str, Exception]] = []
    with capture_logs() as lines:
        async with Tasks("call", on_crash=lambda name, error: told.append((name, error))) as tasks:
            other = tasks.start("other", asyncio.sleep(10))
            await tasks.start("reader", crash())
            assert not other.done()
    assert tasks.crashes == {"reader": 1}
    assert told[0][0] == "reader"
    assert isinstance(told[0][1], LookupError)
    assert lines[0]["event"] == "task crashed"
    assert lines[0]["exc_info"] is True


async def test_close_cancels_and_awaits_everything():
    ended: list[str] = []

    async def tidy() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            ended.append("tidy")

    tasks = Tasks("call")
    tasks.start("tidy", tidy())
    await asyncio.sleep(0)
    await tasks.close()
    assert ended == ["tidy"]
    assert len(tasks) == 0


async def test_close_before_the_first_step_leaves_no_unawaited_coroutine():
    tasks = Tasks("call")
    tasks.start("never", asyncio.sleep(1, None))
    await tasks.close()
    assert len(tasks) == 0


async def test_a_task_may_close_its_own_owner():
    tasks = Tasks("call")
    other = tasks.start("other", asyncio.sleep(100))
    await tasks.start("ender", tasks.close())
    assert other.cancelled()
    assert tasks.crashes == {}


async def test_a_task_that_refuses_to_end_is_named():
    async def stubborn() -> None:
        while loop.time() < 100:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                continue

    loop = asyncio.get_running_loop()
    tasks = Tasks("call")
    task = tasks.start("stubborn", stubborn())
    await asyncio.sleep(0)
    with capture_logs() as lines:
        await tasks.close(patience=3.0)
    assert [line["task"] for line in lines] == ["call/stubborn"]
    assert loop.time() == 3.0
    await task


async def test_starting_after_close_is_refused():
    tasks = Tasks("call")
    await tasks.close()
    with pytest.raises(RuntimeError, match="cannot start 'late'"):
        tasks.start("late", crash())


async def test_kept_work_starts_again_until_it_ends_well():
    runs: list[float] = []
    loop = asyncio.get_running_loop()

    async def work() -> None:
        runs.append(loop.time())
        if len(runs) < 3:
            raise LookupError

    async with Tasks("node") as tasks:
        await tasks.keep("work", work, Restart(limit=5, within=60.0, delay=2.0))
    assert runs == [0.0, 2.0, 4.0]
    assert tasks.crashes["work"] == 2
    assert tasks.given_up == []


async def test_kept_work_is_given_up_when_it_crashes_too_often():
    with capture_logs() as lines:
        async with Tasks("node") as tasks:
            await tasks.keep("work", crash, Restart(limit=3, within=60.0, delay=1.0))
    assert tasks.crashes["work"] == 4
    assert tasks.given_up == ["work"]
    assert lines[-1]["event"] == "task given up"


async def test_rare_crashes_never_use_up_the_restarts():
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(61)
        if runs < 20:
            raise LookupError

    async with Tasks("node") as tasks:
        await tasks.keep("work", work, Restart(limit=1, within=60.0))
    assert runs == 20
