"""Recipes as processes: told about, and ended with all that they started."""

import os
import signal
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest

from guard.cli.train.run import STEP, run_recipe
from guard.core.errors import ModelError

pytestmark = pytest.mark.media

STARTS_ANOTHER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("child", child.pid, flush=True)
child.wait()
"""


def recipe(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_every_line_is_told():
    lines: list[str] = []
    run_recipe(recipe("import sys; print('one'); print('two', file=sys.stderr)"), lines.append)
    assert sorted(lines) == ["one", "two"]


def test_what_libraries_say_of_themselves_is_left_out():
    lines: list[str] = []
    noise = "print('W0000 00:00:1.1 7 x.cc:1] Sets'); print('INFO: Created')"
    run_recipe(recipe(f"{noise}; print('Weights: 5')"), lines.append)
    assert lines == ["Weights: 5"]


GO_ON = "; mend that, then the same command with --resume goes on"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import sys; print('line'); sys.exit('no room left')", "no room left"),
        ("raise ValueError('two\\nlines')", "ValueError: two"),
        (
            "from guard.core.errors import MediaError; raise MediaError('cannot read a.jpg.')",
            "cannot read a.jpg",
        ),
        ("import subprocess; raise subprocess.SubprocessError('x')", "subprocess.SubprocessError: x"),
        ("print('ValueError: an earlier one'); import sys; sys.exit('no room left')", "no room left"),
        (
            "try: 1/0\nexcept ZeroDivisionError as e: raise KeyError('a\\nb\\nc') from e",
            "KeyError: 'a\\nb\\nc'",
        ),
        (
            "exit('Original Traceback (most recent call last):\\n  File\\nOSError: x\\n\\nend')",
            "OSError: x",
        ),
        ("import sys; print('W0000 00:00:1.1 7 x.cc:1] Sets'); sys.exit(3)", "it ended with status 3"),
        (
            "print('step 3/4'); import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "it was killed, as a machine does that runs out of memory",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGABRT)",
            "it was ended by signal 6 (Aborted): it ended with status -6",
        ),
    ],
    ids=[
        "last line",
        "traceback",
        "ours",
        "dotted",
        "an earlier line",
        "chained",
        "of a worker",
        "silent",
        "killed",
        "aborted",
    ],
)
def test_a_failure_tells_what_failed_and_how_to_go_on(code: str, told: str):
    with pytest.raises(ModelError) as caught:
        run_recipe(recipe(code), lambda _line: None)
    assert str(caught.value) == f"the training run failed: {told}{GO_ON}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_stops_us_stops_the_recipe_and_what_it_started(number: signal.Signals):
    child = 0

    def told(line: str) -> None:
        nonlocal child
        child = int(line.split()[1])
        signal.raise_signal(number)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(recipe(STARTS_ANOTHER), told)
    assert signal.getsignal(signal.SIGTERM) is before
    assert child
    assert gone(child)


LEAVES_ANOTHER = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("child", child.pid, flush=True)
os._exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("status", [0, 1])
def test_what_a_recipe_leaves_behind_ends_too_and_holds_nobody_up(status: int):
    lines: list[str] = []
    outcome = nullcontext() if status == 0 else pytest.raises(ModelError, match="the training run failed")
    with outcome:
        run_recipe([*recipe(LEAVES_ANOTHER), str(status)], lines.append)
    assert gone(int(lines[0].split()[1]))


def test_lines_come_whole_whatever_their_bytes_and_pieces():
    code = "import os; [os.write(1, bytes([b])) for b in b'a\\xff b\\nlast']"
    lines: list[str] = []
    run_recipe(recipe(code), lines.append)
    assert lines == ["a\N{REPLACEMENT CHARACTER} b", "last"]


def gone(pid: int) -> bool:
    """Whether the process ends within ten seconds; a zombie has ended."""
    waiting = threading.Event()
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        waiting.wait(0.1)
    return False


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("step 50/1600 loss 0.31", ("step ", "50", "1600")),
        ("faces-dfdc: landmarks 500/12300", ("faces-dfdc: landmarks ", "500", "12300")),
        ("held-out sets made", None),
    ],
)
def test_progress_is_read_from_lines(line: str, found: tuple[str, str, str] | None):
    step = STEP.match(line)
    assert (step and (step["what"], step["done"], step["all"])) == found
