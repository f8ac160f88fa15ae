"""Processes of the bench: pinned to one core, asked over a pipe."""

import asyncio
import inspect
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop

from guard.config import IceSettings

HERE = IceSettings(host_addresses=("127.0.0.1",), allow_loopback=True)
LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one process has used so far."""

    at: float
    """Seconds on the monotonic clock, which all processes of a machine share."""
    cpu_s: float
    """All threads of the process, user and system."""


class Actor:
    """What a process does; its public methods are asked by name."""

    def reading(self) -> Reading:
        """What this process has used so far."""
        return Reading(time.monotonic(), time.process_time())


class Worker:
    """A process with an actor in it, on one core once it has imported what it needs."""

    def __init__(self, core: int, loop: str, make: Callable[[], Actor]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_run, args=(theirs, core, loop, make), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, method: str, *arguments: object) -> Any:
        """Call a method of the actor; EOFError where the process has ended, after its traceback."""
        self._pipe.send((method, arguments))
        return self._pipe.recv()

    def rss_mib(self) -> float:
        """Resident memory now."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._process.join()


def _run(pipe: Connection, core: int, loop: str, make: Callable[[], Actor]) -> None:
    for thread in Path("/proc/self/task").iterdir():  # libraries have started some; later ones inherit it
        os.sched_setaffinity(int(thread.name), {core})
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(_serve(pipe, make()))


async def _serve(pipe: Connection, actor: Actor) -> None:
    while True:
        method, arguments = await asyncio.to_thread(pipe.recv)
        answer = getattr(actor, method)(*arguments)
        pipe.send(await answer if inspect.isawaitable(answer) else answer)
