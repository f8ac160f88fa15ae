"""``guard serve``: one node, until it is told to stop."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.options import ConfigFile
from guard.config import Settings
from guard.config.load import load
from guard.core.units import Seconds
from guard.telemetry import log
from guard.telemetry.native import divert_native_stderr
from guard.web.tokens import TokenIssuer, one_time_issuer, open_issuer

if TYPE_CHECKING:
    from guard.session.node import Node

DEV_ROOM = "dev"
DAY: Seconds = 86400.0


def serve(
    *,
    path: ConfigFile = None,
    dev: Annotated[
        bool, typer.Option("--dev", help="Make a key for this run only, and print a token for the room dev.")
    ] = False,
    native_log: Annotated[
        Path | None, typer.Option(help="File for what native libraries print; without it, nowhere.")
    ] = None,
) -> None:
    """Relay calls by WHIP and WHEP, judge their faces, raise alerts; Ctrl-C or SIGTERM ends it.

    Prints its address on stdout and logs on stderr.

    Example: guard serve --dev
    """
    settings = load(path)
    issuer = one_time_issuer(settings.web) if dev else open_issuer(settings.web)
    divert_native_stderr(native_log or Path(os.devnull))
    log.configure(settings.log.level, json_lines=settings.log.json_lines)
    greeting = f"token for the room {DEV_ROOM}: {_dev_token(issuer)}" if dev else None
    asyncio.run(_run(settings, issuer, greeting))


async def _run(settings: Settings, issuer: TokenIssuer, greeting: str | None) -> None:
    # the heavy libraries are loaded only now, with their printing diverted
    from guard.session.node import open_node  # noqa: PLC0415 -- see above

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    node = await asyncio.to_thread(open_node, settings, time.monotonic, _wall)
    if greeting:
        typer.echo(greeting)
    await serve_until(stop, node, issuer, settings, typer.echo)


async def serve_until(
    stop: asyncio.Event, node: "Node", issuer: TokenIssuer, settings: Settings, say: Callable[[str], None]
) -> None:
    """Serve the node until ``stop`` is set; then take no more requests, end every call, deliver alerts."""
    from guard.web.app import create_app  # noqa: PLC0415 -- heavy, see _run
    from guard.web.server import HttpServer  # noqa: PLC0415 -- same

    await node.start()
    try:
        async with HttpServer(create_app(node, issuer, settings.web), settings.web) as server:
            say(f"listening at {server.url}")
            await stop.wait()
    finally:
        await node.stop()


def _dev_token(issuer: TokenIssuer) -> str:
    now = time.time()  # noqa: TID251 -- the edge where a token's date is read
    return issuer.issue("dev", DEV_ROOM, now=now, lifetime=DAY, publish=True, subscribe=True, admin=True)


def _wall() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 -- the edge where the date is read
