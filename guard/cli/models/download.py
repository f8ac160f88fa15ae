"""Files from a folder, here or on a server: whole and with the right digest, or not at all."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from guard.core.errors import EnvironmentProblem, ModelError
from guard.core.units import Seconds

OnProgress = Callable[[int, int | None], None]
"""Told the bytes that came, and how many are expected, where that is known."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server may take of our time and memory."""

    most_bytes: int = 8 * 1024**2
    silence: Seconds = 20.0
    """Between two pieces, and for the connection."""
    altogether: Seconds = 300.0


def fetch(place: str, file: str, sha256: str, on_progress: OnProgress, limits: Limits | None = None) -> bytes:
    """The content of ``file`` in the folder ``place``, an http(s) address or a path; kept in memory only.

    Raises:
        EnvironmentProblem: the place does not hand it out, whole and in time.
        ModelError: the file is larger than ``limits`` allows, or not the one of this digest.
    """
    where = f"{place.rstrip('/')}/{file}"
    if limits is None:
        limits = Limits()
    remote = place.startswith(("http://", "https://"))
    content = _downloaded(where, on_progress, limits) if remote else _read(Path(place) / file, limits)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        msg = (
            f"{where}: expected sha256 {sha256}, got {found}; this is not the file that was published: "
            f"nothing was kept"
        )
        raise ModelError(msg)
    return content


def _read(path: Path, limits: Limits) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limits.most_bytes + 1)
    except OSError as error:
        msg = f"{path}: expected a file with weights, got: {error.strerror}; name the folder that holds it"
        raise EnvironmentProblem(msg) from None
    _require_small(str(path), len(content), limits)
    return content


def _downloaded(address: str, on_progress: OnProgress, limits: Limits) -> bytes:
    try:
        with (
            httpx.Client(timeout=limits.silence, follow_redirects=True, max_redirects=5) as client,
            client.stream("GET", address, headers={"Accept-Encoding": "identity"}) as response,
        ):
            if response.status_code != httpx.codes.OK:
                msg = f"{address}: expected 200, got {response.status_code} {response.reason_phrase}"
                raise EnvironmentProblem(f"{msg}; {_mend(address)}")
            return b"".join(_pieces(response, address, on_progress, limits))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = str(error) or type(error).__name__
        msg = f"{address}: expected the whole file, got: {said}; {_mend(address)}"
        raise EnvironmentProblem(msg) from None


def _pieces(
    response: httpx.Response, address: str, on_progress: OnProgress, limits: Limits
) -> Iterator[bytes]:
    begun, came = time.monotonic(), 0
    promised = int(response.headers.get("content-length", 0)) or None
    _require_small(address, promised or 0, limits)
    for piece in response.iter_raw():
        came += len(piece)
        _require_small(address, came, limits)
        if time.monotonic() - begun > limits.altogether:
            msg = f"{address}: expected the file within {limits.altogether:g} s, got {came} bytes of it"
            raise EnvironmentProblem(f"{msg}; {_mend(address)}")
        on_progress(came, promised)
        yield piece


def _require_small(where: str, size: int, limits: Limits) -> None:
    if size > limits.most_bytes:
        msg = f"{where}: expected at most {limits.most_bytes} bytes, got {size} or more; nothing was kept"
        raise ModelError(msg)


def _mend(address: str) -> str:
    file = address.rsplit("/", 1)[-1]
    return f"try again, or get {file} by other means and name its folder with --from"
