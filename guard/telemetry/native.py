"""Keeps what native libraries print out of the terminal: MediaPipe's cannot be told to be silent."""

import os
import sys
from pathlib import Path


def divert_native_stderr(to: Path) -> None:
    """Send what is written to file descriptor 2 to a file; Python's own ``sys.stderr`` stays where it is.

    Call it once, at the start of a process and before any library is loaded.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    kept = os.dup(2)
    sys.stderr = os.fdopen(kept, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
    target = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(target, 2)
    os.close(target)
