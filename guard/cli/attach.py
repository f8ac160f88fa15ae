"""``guard attach``: a participant of another server, watched beside it."""

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.text import Text

from guard.alerts.topics import segment
from guard.cli.options import ConfigFile, Token, TokenFile, read_address, read_token
from guard.cli.waiting import until_interrupted
from guard.config import Settings
from guard.config.load import load
from guard.telemetry import log
from guard.telemetry.native import divert_native_stderr

if TYPE_CHECKING:
    from guard.cli.pull import Target


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

    Joins like any viewer, so it works beside every server with WHEP egress. Alerts go to mqtt.url as from the
    node `NODE-attach-1`, or -2 and so on where that one runs already, and wait on disk beside
    alerts.outbox_path. Exit status 0 when they left or at Ctrl-C, 1 where the server refuses or goes silent.

    Example: guard attach https://sfu.example/whep/standup/ada --token-file token.txt --name Ada
    """
    address, secret = read_address(url), read_token(token, token_file)
    settings = load(path)
    divert_native_stderr(Path(os.devnull))
    log.configure(settings.log.level, json_lines=settings.log.json_lines)
    # the heavy libraries are loaded only now, with their printing diverted
    from guard.cli.pull import GOOD_ENDS, Target, own_place  # noqa: PLC0415 -- see above

    called = name or urlsplit(address).path.rstrip("/").rpartition("/")[2] or "participant"
    target = Target(address, secret, segment(room), called, retry)
    with own_place(settings) as ours:
        reason = asyncio.run(_run(ours, target, as_json=as_json))
    raise typer.Exit(0 if reason in GOOD_ENDS else 1)


async def _run(settings: Settings, target: "Target", *, as_json: bool) -> str:
    from guard.cli.pull import line_for_programs, pull  # noqa: PLC0415 -- heavy, see attach
    from guard.cli.towards import towards  # noqa: PLC0415 -- same

    console, errors = Console(), Console(stderr=True)

    def show(fields: dict[str, object], line: Text) -> None:
        if as_json:
            sys.stdout.write(line_for_programs(fields) + "\n")
            sys.stdout.flush()
        else:
            console.print(line, soft_wrap=not console.is_terminal)

    def say(words: str) -> None:
        errors.print(Text(f"guard: {words}", "dim"), soft_wrap=True)

    ice = await asyncio.to_thread(towards, settings.ice, target.url)
    with until_interrupted() as stop:
        return await pull(settings.model_copy(update={"ice": ice}), target, stop, show, say)
