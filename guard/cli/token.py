"""``guard token``: a join token for one person and room."""

import sys
import time
from typing import Annotated

import typer

from guard.cli.options import ConfigFile
from guard.config.load import load
from guard.core.errors import SignallingError
from guard.web.tokens import open_issuer


def token(
    *,
    room: Annotated[str, typer.Option(help="The room.")],
    name: Annotated[str, typer.Option(help="Who they are; shown as their name.")],
    publish: Annotated[bool, typer.Option("--publish", help="May send video.")] = False,
    subscribe: Annotated[bool, typer.Option("--subscribe", help="May receive.")] = False,
    admin: Annotated[bool, typer.Option("--admin", help="May see every room and alert of the node.")] = False,
    link: Annotated[
        str | None,
        typer.Option(help="Print the page to open instead, at this address, such as https://calls.example."),
    ] = None,
    seconds: Annotated[int, typer.Option(help="How long it may be used to join.", min=1)] = 3600,
    path: ConfigFile = None,
) -> None:
    """Print a join token, signed with web.token_key, or with --link the page that it opens.

    Example: guard token --room standup --name Ada --publish --subscribe
    """
    if not (publish or subscribe or admin):
        msg = "token: expected --publish, --subscribe or --admin, got none of them; it would grant nothing"
        raise SignallingError(msg)
    issuer = open_issuer(load(path).web)
    now = time.time()  # noqa: TID251 -- the edge where a token's date is read
    made = issuer.issue(
        name, room, now=now, lifetime=seconds, publish=publish, subscribe=subscribe, admin=admin
    )
    page = f"{link.rstrip('/')}{f'/join/{room}' if publish or subscribe else '/'}#token=" if link else ""
    sys.stdout.write(f"{page}{made}\n")
