"""The ``guard doctor`` command."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from guard.cli.clock import wall
from guard.cli.doctor.accelerators import AREA as ACCELERATORS
from guard.cli.doctor.accelerators import accelerators
from guard.cli.doctor.bundle import Scrubber, report, write_bundle
from guard.cli.doctor.check import Check, Checks, Level, examined
from guard.cli.doctor.machine import AREA as MACHINE
from guard.cli.doctor.machine import machine
from guard.cli.doctor.models import AREA as MODELS
from guard.cli.doctor.models import models
from guard.cli.doctor.network import AREA as NETWORK
from guard.cli.doctor.network import network
from guard.cli.doctor.settings import AREA as CONFIGURATION
from guard.cli.doctor.settings import files, readable
from guard.cli.doctor.software import AREA as SOFTWARE
from guard.cli.doctor.software import software
from guard.cli.options import ConfigFile
from guard.config import Settings
from guard.core.errors import EnvironmentProblem
from guard.telemetry import log
from guard.telemetry.native import divert_native_stderr

STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAILED: "bold red"}


def doctor(
    *,
    path: ConfigFile = None,
    ask_network: Annotated[
        bool, typer.Option("--network", help="Ask the broker and the DNS, too, where they are elsewhere.")
    ] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Write a support file (zip) without secrets and names.", dir_okay=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON on stdout.")] = False,
) -> None:
    """Say what this machine can run and why not: software, models, accelerators, network, configuration.

    Nothing leaves this machine without --network. Exit status 1 where something would not run.

    Example: guard doctor --config guard.toml --bundle support.zip
    """
    divert_native_stderr(Path(os.devnull))
    log.configure("error")
    settings, checks = readable(path)
    checks += examine(settings, ask_network=ask_network)
    if bundle is not None:
        try:
            write_bundle(bundle, checks, settings, Scrubber.here(settings, os.environ))
        except OSError as error:
            msg = f"{bundle}: expected a file that can be written, got: {error.strerror}"
            raise EnvironmentProblem(msg) from None
    result = report(checks)
    if as_json:
        sys.stdout.write(json.dumps(result, separators=(",", ":")) + "\n")
    else:
        tell(checks, bundle, Console())
    raise typer.Exit(0 if result["ok"] else 1)


def examine(settings: Settings, *, ask_network: bool) -> list[Check]:
    """Everything but the configuration's form, one part after the other."""
    parts: dict[str, Callable[[], Checks]] = {
        CONFIGURATION: partial(files, settings, wall()),
        MACHINE: machine,
        SOFTWARE: software,
        MODELS: partial(models, settings),
        ACCELERATORS: accelerators,
        NETWORK: partial(network, settings, ask=ask_network),
    }
    return [check for area, look in parts.items() for check in examined(area, look)]


def tell(checks: Sequence[Check], bundle: Path | None, console: Console) -> None:
    """The findings for people."""
    table = Table(box=None, pad_edge=False, show_header=False)
    area = ""
    for check in checks:
        if check.area != area:
            area = check.area
            table.add_row(Text(area, "bold"), "", "")
        table.add_row(Text(f"  {check.name}"), Text(check.level, STYLES[check.level]), in_words(check))
    console.print(table)
    wrong = {level: sum(check.level is level for check in checks) for level in Level}
    verdict = "this machine runs call-guard" if not wrong[Level.FAILED] else "something would not run"
    console.print(Text(f"{verdict}: {wrong[Level.FAILED]} failed, {wrong[Level.WARNING]} warnings"))
    if bundle is not None:
        console.print(Text(f"support file: {bundle}"))


def in_words(check: Check) -> Text:
    """What was found, expected, and how to mend it."""
    words = Text(check.found)
    if check.expected:
        words.append(f"; expected {check.expected}")
    if check.mend:
        words.append(f"\n→ {check.mend}", "italic")
    return words
