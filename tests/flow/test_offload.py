"""Worker: results and errors come back, the line is bounded, closing waits without blocking the loop."""

import asyncio
import contextvars
import threading

import pytest

from guard.core.errors import CapacityError
from guard.flow.offload import Worker

pytestmark = pytest.mark.unit


async def test_result_and_error_come_back_from_a_named_thread():
    async with Worker("decode") as worker:
        assert await worker.run(lambda: threading.current_thread().name) == "decode_0"
        with pytest.raises(ZeroDivisionError):
            await worker.run(divmod, 1, 0)


async def test_context_variables_are_seen_in_the_thread():
    call_id: contextvars.ContextVar[str] = contextvars.ContextVar("call_id")
    call_id.set("c-1")
    async with Worker("decode") as worker:
        assert await worker.run(call_id.get) == "c-1"


async def test_full_line_refuses_the_newest_and_counts_it():
    release = threading.Event()
    async with Worker("decode", waiting=1) as worker:
        accepted = [asyncio.create_task(worker.run(release.wait, 5)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(CapacityError, match="line of 2 jobs is full"):
            await worker.run(int)
        release.set()
        assert await asyncio.gather(*accepted) == [True, True]
        assert await worker.run(int) == 0
    assert worker.refused == 1


async def test_cancelled_caller_leaves_at_once_and_its_job_keeps_its_place():
    release = threading.Event()
    async with Worker("decode", waiting=0) as worker:
        caller = asyncio.create_task(worker.run(release.wait, 5))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        with pytest.raises(CapacityError):
            await worker.run(int)
        release.set()


async def test_close_lets_the_running_job_end_and_drops_those_in_line():
    started, release, done = threading.Event(), threading.Event(), []

    def job() -> None:
        started.set()
        release.wait(5)
        done.append("running")

    worker = Worker("decode")
    running = asyncio.create_task(worker.run(job))
    waiting = asyncio.create_task(worker.run(done.append, "waiting"))
    await asyncio.to_thread(started.wait, 5)
    closing = asyncio.create_task(worker.close())
    await asyncio.sleep(0)
    assert not closing.done()
    release.set()
    await closing
    await running
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done == ["running"]


@pytest.mark.virtual_time
async def test_job_in_a_thread_takes_no_virtual_time():
    loop = asyncio.get_running_loop()
    async with Worker("decode") as worker:
        async with asyncio.timeout(0.001):
            await worker.run(threading.Event().wait, 0.02)
        assert loop.time() < 0.001
