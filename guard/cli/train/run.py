"""A recipe as a process of its own: told about while it runs, ended with all that it started."""

import os
import re
import selectors
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, cast

from guard.core.errors import ModelError
from guard.core.units import Seconds

STEP = re.compile(r"(?P<what>.*?)\b(?P<done>\d+)/(?P<all>\d+)\b")
"""Progress in a recipe's lines, as ``step 50/1600 loss 0.31``."""

NOISE = re.compile(r"[IWE]\d{4} [\d:.]+ |INFO: |WARNING: ")
"""What MediaPipe's library says of itself."""

TRACEBACK = "Traceback (most recent call last)"
OURS = re.compile(r"^guard\.core\.errors\.\w+: ")
"""Before the words of an error of the package, which need no name."""

LAST_LINES = 100
PATIENCE: Seconds = 10.0
LOOK: Seconds = 0.5
"""How often it is asked whether it has ended, while it says nothing."""

PIPE_BYTES = 1024**2
"""More than a pipe holds."""

OnLine = Callable[[str], None]


def run_recipe(command: Sequence[str], on_line: OnLine) -> None:
    """Run it to the end, each line of its own told; whatever it started ends with it.

    Raises:
        ModelError: it failed; its last error is in the text.
    """
    last: list[str] = []
    with _ended_whole(command) as process:
        for line in _lines(process):
            if line and not NOISE.match(line):
                last = [*last[1 - LAST_LINES :], line]
                on_line(line)
        status = process.wait()
    if status:
        raise ModelError(_failure(status, last))


def _failure(status: int, last: Sequence[str]) -> str:
    """What went wrong, and how to go on."""
    how = OURS.sub("", _error(last)) or f"it ended with status {status}"
    if status == -signal.SIGKILL:
        how = "it was killed, as a machine does that runs out of memory"
    elif status < 0:
        how = f"it was ended by signal {-status} ({signal.strsignal(-status)}): {how}"
    return (
        f"the training run failed: {how.rstrip('.')}; mend that, then the same command with --resume goes on"
    )


def _error(last: Sequence[str]) -> str:
    """What the last traceback ends with, else the last line; empty where nothing was said."""
    starts = [at for at, line in enumerate(last) if TRACEBACK in line]
    behind = last[starts[-1] + 1 :] if starts else ()
    return next((line for line in behind if not line.startswith(" ")), last[-1] if last else "")


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """What it says until it ends, even if what it started keeps the pipe open."""
    pipe = cast("IO[bytes]", process.stdout)
    rest, ended = b"", False
    with selectors.DefaultSelector() as waiting:
        waiting.register(pipe, selectors.EVENT_READ)
        while not ended:
            ended = process.poll() is not None
            if not waiting.select(0 if ended else LOOK):
                continue
            piece = os.read(pipe.fileno(), PIPE_BYTES)
            *lines, rest = (rest + piece).split(b"\n")
            yield from map(_text, lines)
            ended = ended or not piece
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").rstrip()


@contextmanager
def _ended_whole(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The process, in a group of its own: Ctrl-C comes to us, and we end the group."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(  # noqa: S603 -- our own interpreter and recipe
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # else it would outlive us
    try:
        with process:
            try:
                yield process
            finally:
                _end(process)
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process that runs to end, then end whatever is left of its group."""
    try:
        if process.poll() is None:
            _signal_group(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
    finally:
        _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
