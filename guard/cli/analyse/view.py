"""What ``guard analyse`` says to people: a few lines a file, and a bar while it works."""

from collections.abc import Iterator
from time import monotonic
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from guard.cli.alert_lines import STATE_STYLES, plain
from guard.cli.analyse.words import STATES, lasted, refused, told_by_engines, told_of_face, verdict
from guard.core.units import Clock, Seconds
from guard.session.findings import FileFinding, Outcome, Refusal

PATIENCE: Final[Seconds] = 2.0
"""Shorter runs show no bar."""


def lines(outcome: Outcome) -> Iterator[Text]:
    """The finding on one file, or why there is none."""
    name = (plain(outcome.name), "bold")
    if isinstance(outcome, Refusal):
        yield Text.assemble(name, ": ", ("not analysed", "bold red"), ". ", refused(outcome))
        return
    state = outcome.state
    yield Text.assemble(name, ": ", (STATES[state], STATE_STYLES[state]), ". ", verdict(outcome))
    yield from _details(outcome)


def _details(finding: FileFinding) -> Iterator[Text]:
    for face in finding.faces:
        headline = face.headline
        scores = f"liveness {_score(headline.liveness)}, deepfake {_score(headline.deepfake)}"
        told = f" ({told_of_face(face)})" if told_of_face(face) else ""
        state = STATES[headline.state]
        yield Text(f"  face {face.face_id}: {state}{told} · {scores}, judged {headline.coverage:.0%}")
        if told_by_engines(face):
            yield Text(f"    {told_by_engines(face)}")
    for alert in finding.alerts:
        yield Text(f"  alert: {alert.family}, severity {alert.severity}, {lasted(alert)}")
    if finding.reading.broke_off:
        seconds = finding.reading.seconds
        yield Text(f"  the file breaks off at {seconds:.1f} s: {finding.reading.broke_off}", style="yellow")


class Bar:
    """A progress bar for one file on stderr, where that is a terminal and it takes longer than 2 s."""

    def __init__(self, console: Console, name: str, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[reached]}"),
            console=console,
            transient=True,
            redirect_stdout=False,  # what a program reads there is none of its business
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(name, reached="")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, at: Seconds, length: Seconds | None) -> None:
        """Show how far the file is, media seconds."""
        if self._clock() - self._began < PATIENCE:
            return
        self._progress.start()
        of = f" of {length:.0f}" if length else ""
        self._progress.update(self._task, completed=at, total=length, reached=f"{at:.0f}{of} s")


def _score(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
