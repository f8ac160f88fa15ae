"""Analyses files one after the other and tells what was found."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
from rich.console import Console

from guard.cli.alert_lines import plain
from guard.cli.analyse.report import write_report
from guard.cli.analyse.view import Bar, lines
from guard.config import Settings
from guard.core.errors import EnvironmentProblem, GuardError, ModelError
from guard.media.worker import attempt
from guard.session.findings import FileFinding, Outcome, Refusal
from guard.session.offline import Analyser, open_analyser

logger = structlog.get_logger(__name__)


def run(files: Sequence[Path], settings: Settings, report: Path | None, *, as_json: bool) -> bool:
    """Tell of each file on stdout, write the report; return whether all were read and nothing was raised."""
    analyser = open_analyser(settings)
    reported: list[Outcome] = []
    clean = True
    for file in files:
        outcome = _outcome(analyser, file)
        clean &= outcome.clean
        _tell(outcome, as_json=as_json)
        if report:
            reported.append(outcome)
    if report:
        write_report(reported, analyser.provenance, report)
    return clean


def _outcome(analyser: Analyser, file: Path) -> Outcome:
    """What was found in a file, or why it could not be analysed; the others go on."""
    found: list[FileFinding] = []
    with Bar(Console(stderr=True), plain(file.name)) as bar:
        error = attempt(lambda: found.append(analyser.analyse(file, bar.show)))
    if error is None:
        return found[0]
    if isinstance(error, (ModelError, EnvironmentProblem)):
        raise error  # no other file would fare better
    if not isinstance(error, GuardError):
        logger.error("file could not be analysed", exc_info=error, **{"pii.file": file.name})
    # the folder in which a file lies differs from run to run, and is nobody else's business
    return Refusal(file.name, str(error).removeprefix(f"{file}: ") or type(error).__name__)


def _tell(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(outcome.as_fields(), separators=(",", ":")) + "\n")
        sys.stdout.flush()
        return
    for line in lines(outcome):
        Console().print(line, highlight=False, soft_wrap=True)
