"""``guard token``: a join token for one person and room."""

import secrets
import sys
from typing import Annotated
from urllib.parse import urlsplit

import typer

from guard.cli.clock import wall
from guard.cli.options import ConfigFile, read_address, wrong_use
from guard.config.load import load
from guard.web.tokens import open_issuer


def token(
    *,
    room: Annotated[str, typer.Option(help="The room.")],
    name: Annotated[str, typer.Option(help="What they are called; shown to people.")],
    subject: Annotated[
        str | None,
        typer.Option("--id", help="Who they are in your system: calls belong to it. Without it random."),
    ] = None,
    publish: Annotated[bool, typer.Option("--publish", help="May send video.")] = False,
    subscribe: Annotated[bool, typer.Option("--subscribe", help="May receive.")] = False,
    admin: Annotated[bool, typer.Option("--admin", help="May see every room and alert of the node.")] = False,
    link: Annotated[
        str | None,
        typer.Option(help="Print the page to open instead, at this address, such as https://calls.example."),
    ] = None,
    seconds: Annotated[
        int, typer.Option(help="How long it is good; calls made with it end then.", min=1)
    ] = 3600,
    path: ConfigFile = None,
) -> None:
    """Print a join token, signed with web.token_key, or with --link the page that it opens.

    Example: guard token --room standup --name Ada --publish --subscribe
    """
    if not (publish or subscribe or admin):
        msg = "expected --publish, --subscribe or --admin, got none of them; it would grant nothing"
        raise typer.BadParameter(msg)
    if not name:
        raise typer.BadParameter("expected a name, got an empty one", param_hint="--name")
    page = "" if link is None else f"{_root(link)}{f'/join/{room}' if publish or subscribe else '/'}#token="
    issuer = open_issuer(load(path).web)
    with wrong_use("--room, --id"):
        made = issuer.issue(
            secrets.token_urlsafe(12) if subject is None else subject,
            room,
            name=name,
            now=wall().timestamp(),
            lifetime=seconds,
            publish=publish,
            subscribe=subscribe,
            admin=admin,
        )
    sys.stdout.write(f"{page}{made}\n")


def _root(link: str) -> str:
    """The address under which the pages stand; raise typer.BadParameter for anything else."""
    example = "https://calls.example"
    parts = urlsplit(read_address(link, example))
    if parts.query or parts.fragment or "@" in parts.netloc:
        msg = f"expected an address as {example}, without a query, a fragment or a password"
        raise typer.BadParameter(msg, param_hint="--link")
    return link.rstrip("/")
