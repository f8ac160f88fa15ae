"""Work spread over processes, each with models of its own; results come back in the order asked for."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.util import Finalize
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.judging.judge import Engines, Judged, PictureJudge, Setting
from bench.judging.rows import Row
from guard.config.settings import FaceSettings
from guard.core.errors import MediaError

Task = TypeVar("Task")
Result = TypeVar("Result")
Work = tuple[Row, Setting]

CHUNK = 8
_judges: list[PictureJudge] = []
"""The one judge of a worker process."""


def judge_all(work: Sequence[Work], engines: Engines, seed: int, jobs: int) -> list[Judged]:
    """Every picture under its setting; those that cannot be read are named and left out."""
    if jobs > 1:
        return _readable(over_processes(judged_here, work, jobs, (_start, (engines, seed))))
    _start(engines, seed)
    try:
        return _readable(told(map(judged_here, work), len(work)))
    finally:
        _judges.pop().close()


def _readable(found: Iterable[Judged | str]) -> list[Judged]:
    kept = []
    for one in found:
        if isinstance(one, str):
            sys.stderr.write(f"left out: {one}\n")
        else:
            kept.append(one)
    return kept


def judged_here(task: Work) -> Judged | str:
    """Judge in this process; why not, of a file that cannot be read."""
    try:
        return _judges[-1].judge(*task)
    except MediaError as error:
        return str(error)


def _start(engines: Engines, seed: int) -> None:
    judge = PictureJudge(engines, FaceSettings(), seed)
    _judges.append(judge)
    Finalize(None, judge.close, exitpriority=1)  # MediaPipe complains of a model left to the interpreter


def over_processes(
    call: Callable[[Task], Result],
    tasks: Sequence[Task],
    jobs: int,
    start: tuple[Callable[..., None], tuple[Any, ...]] | None = None,
    chunk: int = CHUNK,
) -> Iterator[Result]:
    """``call`` of each task, in order, by ``jobs`` processes, each begun by ``start``."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes share the cores already
    first, handed = start or (_nothing, ())
    with ProcessPoolExecutor(jobs, get_context("spawn"), first, handed) as pool:
        yield from told(pool.map(call, tasks, chunksize=chunk), len(tasks))


def _nothing() -> None:
    """A process that needs no beginning."""


def told(results: Iterator[Result], whole: int) -> Iterator[Result]:
    """The results as they come, and on the terminal how far they are."""
    console = Console(stderr=True)
    columns = (TextColumn("judged"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        yield from bar.track(results, total=whole)
