"""Processes of the bench: pinned to one core, asked over a pipe."""

import asyncio
import inspect
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop

from guard.config import IceSettings

HERE = IceSettings(host_addresses=("127.0.0.1",), allow_loopback=True)
ASK_S = 120.0
"""Longer than anything that is asked takes; who answers later hangs."""

END_S = 5.0
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
    """A process with an actor in it, on one core once it has imported what it needs.

    ``niceness`` as of ``os.nice``: with 19 it takes what others of its core leave.
    """

    def __init__(self, core: int, loop: str, make: Callable[[], Actor], *, niceness: int = 0) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._name = getattr(make, "func", make).__name__
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_run, args=(theirs, core, loop, make, niceness), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, method: str, *arguments: object, **options: object) -> Any:
        """Call a method of the actor; SystemExit where it gives no answer in two minutes, or has ended."""
        got = "none"
        try:
            self._pipe.send((method, arguments, options))
            if self._pipe.poll(ASK_S):
                return self._pipe.recv()
        except (EOFError, OSError):  # after its traceback
            got = "the end of its process"
        msg = f"{self._name}.{method}: expected an answer within {ASK_S:g} s, got {got}"
        raise SystemExit(msg)

    def rss_mib(self) -> float:
        """Resident memory now."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def halt(self) -> None:
        """Let it do nothing, not even read its sockets, until ``go_on``."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it do on what it did."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._process.join(END_S)
        self._process.kill()
        self._process.join()

    def _signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)


def _run(pipe: Connection, core: int, loop: str, make: Callable[[], Actor], niceness: int) -> None:
    os.nice(niceness)
    for thread in Path("/proc/self/task").iterdir():  # libraries have started some; later ones inherit it
        os.sched_setaffinity(int(thread.name), {core})
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(_serve(pipe, make()))


async def _serve(pipe: Connection, actor: Actor) -> None:
    while True:
        method, arguments, options = await asyncio.to_thread(pipe.recv)
        answer = getattr(actor, method)(*arguments, **options)
        pipe.send(await answer if inspect.isawaitable(answer) else answer)
