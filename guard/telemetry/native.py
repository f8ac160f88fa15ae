"""Keeps native libraries from printing into the terminal and from reporting to their makers."""

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


NOWHERE = "http://127.0.0.1:9"
"""The discard port: nobody listens there."""


def refuse_reports() -> None:
    """Keep MediaPipe from reporting its use to its maker; call it before it is loaded.

    It has no switch for that (seen in 1.2). It sends by libcurl, which takes the proxy of the environment, so
    it is given one that is not there. Nothing of ours uses that one: our HTTP client does not trust the
    environment, and media and MQTT know no proxy.
    """
    for name in ("HTTPS_PROXY", "https_proxy"):
        os.environ[name] = NOWHERE
    for name in ("NO_PROXY", "no_proxy"):  # what stands there would be asked directly
        os.environ.pop(name, None)
