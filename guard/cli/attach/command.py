"""The ``guard attach`` command."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.text import Text

from guard.alerts.topics import segment
from guard.cli.options import ConfigFile, Token, TokenFile, read_address, read_token, wrong_use
from guard.cli.output import ReaderLeft, as_shown, write_out
from guard.cli.waiting import until_interrupted
from guard.config import Settings
from guard.config.load import load
from guard.flow import loops
from guard.telemetry import log
from guard.telemetry.native import divert_native_stderr

if TYPE_CHECKING:
    from guard.cli.attach.run import Target


def attach(
    *,
    url: Annotated[str, typer.Argument(metavar="URL", help="WHEP address of the participant.")],
    token: Token = None,
    token_file: TokenFile = None,
    room: Annotated[str, typer.Option(help="What to call their room here.")] = "attached",
    name: Annotated[
        str | None, typer.Option(help="Their name in alerts; without it the end of the address.")
    ] = None,
    path: ConfigFile = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Join again when the call ends or is refused, until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON an event on stdout.")] = False,
) -> None:
    """Watch a participant of another server by WHEP: judge their face, raise alerts, relay nothing.

    Joins like any viewer, so it works beside every server with WHEP egress; through the TURN servers of
    ice.servers, or those that the server names. Alerts go to mqtt.url as from the node `NODE-attach-1`, or -2
    and so on where that one runs already, and wait on disk beside alerts.outbox_path. Exit status 0 when they
    left, at Ctrl-C or when nobody reads stdout any more, 1 where the server refuses or goes silent.

    Example: guard attach https://sfu.example/whep/standup/ada --token-file token.txt --name Ada
    """
    address, secret = read_address(url), read_token(token, token_file)
    with wrong_use("--room"):
        segment(room)
    settings = load(path)
    divert_native_stderr(Path(os.devnull))
    log.configure(settings.log.level, json_lines=settings.log.json_lines, personal=settings.log.personal)
    # the heavy libraries are loaded only now, with their printing diverted
    from guard.cli.attach.run import GOOD_ENDS, Target  # noqa: PLC0415 -- see above

    called = name or urlsplit(address).path.rstrip("/").rpartition("/")[2] or "participant"
    target = Target(address, secret, room, called, retry)
    try:
        reason = loops.run(_run(settings, target, as_json=as_json))
    except ReaderLeft:
        raise typer.Exit(0) from None
    raise typer.Exit(0 if reason in GOOD_ENDS else 1)


async def _run(settings: Settings, target: "Target", *, as_json: bool) -> str:
    from guard.cli.attach import run  # noqa: PLC0415 -- heavy, see attach

    console, errors = Console(), Console(stderr=True)

    async def show(fields: Mapping[str, object], line: Text) -> None:
        await write_out(line_for_programs(fields) if as_json else as_shown(line, console))

    def say(words: str) -> None:
        errors.print(Text(f"guard: {words}", "dim"), soft_wrap=True)

    with until_interrupted() as stop:
        return await run.attach(settings, target, stop, show, say)


def line_for_programs(fields: Mapping[str, object]) -> str:
    """One compact line of JSON, in ASCII."""
    return json.dumps(fields, separators=(",", ":")) + "\n"
