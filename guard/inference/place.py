"""Puts engines into a folder of engines: made and checked in a draft there, then moved, all or none."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from guard.core.errors import EnvironmentProblem


@contextmanager
def drafted(root: Path, option: str) -> Iterator[Path]:
    """An empty folder below ``root`` to make engines in, which is made if need be; removed at the end.

    Raises:
        EnvironmentProblem: something cannot be written; it tells to name another folder with ``option``.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".draft-", dir=root) as draft:
            yield Path(draft)
    except EnvironmentProblem:
        raise
    except OSError as error:
        said = error.strerror or error
        msg = f"{root}: expected a folder that can be written, got: {said}; name another with {option}"
        raise EnvironmentProblem(msg) from None


def put(folders: Sequence[Path], root: Path) -> list[Path]:
    """Move drafted engines into ``root`` under their names, all or none; where they lie then.

    What lay there goes with the draft, and comes back where a move fails.
    """
    with ExitStack() as undo:
        for folder in folders:
            place = root / folder.name
            if place.exists():
                _move(place, folder.with_name(f"{folder.name}.before"), undo)
            _move(folder, place, undo)
        undo.pop_all()
    return [root / folder.name for folder in folders]


def _move(source: Path, target: Path, undo: ExitStack) -> None:
    undo.callback(_back, source, target)
    source.rename(target)


def _back(source: Path, target: Path) -> None:
    if target.exists() and not source.exists():
        target.rename(source)
