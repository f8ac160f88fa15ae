"""File descriptor 2 is diverted, Python's stderr is not; in a process of its own, since it is for good."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

CODE = """
import os, sys
from pathlib import Path
from guard.telemetry.native import divert_native_stderr
divert_native_stderr(Path(sys.argv[1]))
os.write(2, b"from a native library\\n")
print("from Python \\udc80", file=sys.stderr)
"""


def diverted(to: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", CODE, str(to)], cwd=root, capture_output=True, text=True, check=False
    )


def test_native_output_goes_to_a_file_of_the_owner(tmp_path: Path):
    to = tmp_path / "folder" / "native.log"
    done = diverted(to)
    assert (done.returncode, done.stderr) == (0, "from Python \\udc80\n")
    assert to.read_text() == "from a native library\n"
    assert stat.S_IMODE(to.stat().st_mode) == 0o600


def test_native_output_goes_nowhere():
    assert diverted(Path(os.devnull)).stderr == "from Python \\udc80\n"
