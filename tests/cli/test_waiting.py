"""How commands wait for their end, and that it comes, whatever still runs."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guard.cli.waiting import first, until_interrupted

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]

WITH_A_STUCK_THREAD = """
import threading
from guard.cli.waiting import LastResort
threading.Thread(target=threading.Event().wait, name="waits for a disk").start()
last_resort = LastResort()
last_resort.arm(0.2)
last_resort.status = {status}
"""


@pytest.mark.parametrize("status", [0, 1])
def test_a_thread_that_waits_for_ever_does_not_keep_the_process(status: int):
    began = time.monotonic()
    code = WITH_A_STUCK_THREAD.format(status=status)
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == status
    assert "process ended by force" in ended.stdout + ended.stderr
    assert "waits for a disk" in ended.stdout + ended.stderr
    assert time.monotonic() - began < 20.0


class Work:
    """Goes on until it is broken off."""

    def __init__(self) -> None:
        self.broken_off = False

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.broken_off = True


async def fail() -> None:
    await asyncio.sleep(0)
    msg = "it broke"
    raise RuntimeError(msg)


async def test_when_one_ends_the_others_are_broken_off():
    work = Work()
    await first(work.run(), asyncio.sleep(0))
    assert work.broken_off


async def test_what_the_one_raises_is_raised():
    work = Work()
    with pytest.raises(RuntimeError, match="it broke"):
        await first(work.run(), fail())
    assert work.broken_off


async def test_when_the_wait_itself_is_cancelled_nothing_goes_on():
    work = Work()
    waiting = asyncio.create_task(first(work.run()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert work.broken_off


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_is_an_event(number: signal.Signals):
    with until_interrupted() as stop:
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            await stop.wait()
