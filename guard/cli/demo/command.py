"""The ``guard demo`` command."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from guard.cli.demo.record import Run
from guard.cli.demo.view import render
from guard.core.errors import EnvironmentProblem
from guard.flow import loops
from guard.telemetry import log
from guard.telemetry.native import divert_native_stderr

FOLDER = Path("guard-demo")
RESULTS = ("report.html", "summary.json")
SHORTEST = 36.0
"""Shorter runs do not leave the swap's alert the time to clear."""


def demo(
    *,
    seconds: Annotated[float, typer.Option(help="Length of the call.", min=SHORTEST)] = 40.0,
    bona_fide: Annotated[
        Path | None,
        typer.Option(
            help="A clip of a live person, in place of the carried one.", exists=True, dir_okay=False
        ),
    ] = None,
    attack: Annotated[
        Path | None,
        typer.Option(help="A clip of an attack, in place of the live swap.", exists=True, dir_okay=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one line on stdout.")] = False,
    keep: Annotated[bool, typer.Option(help="Stay up afterwards, until Ctrl-C.")] = False,
) -> None:
    """Three callers join by real WebRTC and are judged before your eyes; takes under a minute.

    Exit status 0 when the bona fide caller raised nothing and was judged, both attackers raised, and the
    alert of the swap cleared after it was switched off; else 1.

    Example: guard demo --bona-fide me.mp4
    """
    started = time.monotonic()
    try:
        divert_native_stderr(FOLDER / "native.log")
    except OSError as error:
        msg = f"{FOLDER}: expected a folder to write to, got {error.strerror}; go to one that is yours"
        raise EnvironmentProblem(msg) from error
    console = Console(stderr=True)
    log.configure("warning")
    # the heavy libraries are loaded only now, with their printing diverted
    from guard.cli.demo.play import play  # noqa: PLC0415 -- see above
    from guard.cli.demo.report import write_report  # noqa: PLC0415 -- see above
    from guard.cli.demo.scene import Options, Scene  # noqa: PLC0415 -- see above

    options = Options(seconds, FOLDER, bona_fide, attack)
    for name in RESULTS:  # a run that breaks off must not leave an older one's results behind
        (FOLDER / name).unlink(missing_ok=True)

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    def finish(run: Run) -> None:
        run.total_seconds = time.monotonic() - started
        page, summary = write_report(run, FOLDER)
        if as_json:
            sys.stdout.write(json.dumps(run.summary(), separators=(",", ":")) + "\n")
            sys.stdout.flush()
        tell(console, run, page, summary)

    def stay(run: Run, scene: Scene) -> None:
        finish(run)
        say(f"rooms:  curl -H 'Authorization: Bearer {scene.admin_token}' {scene.http_url}/v1/rooms")
        say(f"alerts: mosquitto_sub -t 'guard/v1/#' -v -h 127.0.0.1 -p {scene.mqtt.url.rpartition(':')[2]}")
        say("the callers go on until Ctrl-C")

    with Live(console=console, refresh_per_second=4, transient=False) as live:

        def show(run: Run, fps: dict[str, float]) -> None:
            live.update(render(run, fps, seconds))

        run = loops.run(play(options, say, show, stay if keep else None))
    finish(run)
    raise typer.Exit(0 if run.summary()["ok"] else 1)


def tell(console: Console, run: Run, page: Path, summary: Path) -> None:
    """Say how the run went and where it is written up."""
    shortfalls = run.shortfalls()
    if shortfalls:
        verdict = Text.assemble(("not as expected", "bold red"), ": ", "; ".join(shortfalls))
    else:
        praise = ": bona fide judged and not raised, attackers raised, swap cleared"
        verdict = Text.assemble(("as expected", "bold green"), praise)
    console.print()
    for caller in run.callers:
        expected = caller.expected.replace("_", " ")
        console.print(Text(f"{caller.title}: {run.verdict(caller).replace('_', ' ')} (expected {expected})"))
    console.print(verdict)
    console.print(Text(f"{run.total_seconds:.0f} s · report {page} · summary {summary}"))
