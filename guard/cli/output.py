"""Standard output beside an event loop: a reader that takes nothing holds up nobody but who waits for it."""

import asyncio
import os
import sys
import threading
from contextlib import suppress

from rich.console import Console
from rich.text import Text

from guard.core.errors import EnvironmentProblem


class ReaderLeft(Exception):  # noqa: N818 -- an event, not a fault
    """Nobody reads standard output any more, as behind ``| head``."""


async def write_out(text: str) -> None:
    """Write a text whole; raise ReaderLeft, or EnvironmentProblem where it cannot be written.

    Unbuffered, in a thread that may be left behind: neither a full pipe nor a closed one hinders the end of
    the process.
    """
    if sys.__stdout__ is None:  # closed from the beginning
        return
    loop, written = asyncio.get_running_loop(), asyncio.Event()
    place, content = sys.__stdout__.fileno(), text.encode(sys.__stdout__.encoding, "replace")
    errors: list[OSError] = []

    def work() -> None:
        try:
            _write_all(place, content)
        except OSError as error:
            errors.append(error)
        with suppress(RuntimeError):  # the loop has closed: nobody waits any more
            loop.call_soon_threadsafe(written.set)

    threading.Thread(target=work, name="stdout", daemon=True).start()
    await written.wait()
    for error in errors:
        if isinstance(error, BrokenPipeError):
            raise ReaderLeft from None
        msg = f"standard output: expected to be written to, got: {error.strerror}"
        raise EnvironmentProblem(msg) from error


def as_shown(line: Text, console: Console) -> str:
    """The line as this console would print it."""
    with console.capture() as captured:
        console.print(line, soft_wrap=not console.is_terminal)
    return captured.get()


def _write_all(place: int, content: bytes) -> None:
    while content:
        content = content[os.write(place, content) :]
