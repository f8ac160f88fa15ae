"""The ``guard analyse`` command."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from guard.cli.options import ConfigFile
from guard.config.load import load
from guard.core.errors import EnvironmentProblem
from guard.telemetry import log
from guard.telemetry.native import divert_native_stderr

PAGES: Final = (".html", ".htm")


def analyse(
    *,
    files: Annotated[list[Path], typer.Argument(help="Video files; each is analysed by itself.")],
    path: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a file on stdout.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write a page with plots to this file.")] = None,
) -> None:
    """Judge the faces in recorded files by the same pipeline as live calls, faster than real time.

    What it finds is an indication, not proof. Two runs over the same file give the same bytes. Exit status 0
    when nothing was raised, 1 when an alert was raised or a file could not be analysed to its end.

    Example: guard analyse --report interview.html interview.mp4
    """
    settings = load(path)
    _prepare(report)
    divert_native_stderr(Path(os.devnull))
    log.configure(settings.log.level, json_lines=settings.log.json_lines)
    # the heavy libraries are loaded only now, with their printing diverted
    from guard.cli.analyse.run import run  # noqa: PLC0415 -- see above

    clean = run(files, settings, report, as_json=as_json)
    raise typer.Exit(0 if clean else 1)


def _prepare(report: Path | None) -> None:
    """Empty the report's file, so that what hinders shows now and a run that breaks off leaves none."""
    if report is None:
        return
    if report.suffix.lower() not in PAGES:
        msg = (
            f"--report: expected the name of a page, as report.html, got {report.name!a}: it is written over"
        )
        raise typer.BadParameter(msg)
    try:
        report.write_bytes(b"")
    except OSError as error:
        msg = f"{report}: expected a file to write to, got {error.strerror}; name one in a folder of yours"
        raise EnvironmentProblem(msg) from error
