"""``guard serve``: one node, until it is told to stop."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guard.cli.dev import for_trying_out, tell_links
from guard.cli.options import ConfigFile
from guard.config import Settings
from guard.config.load import load
from guard.core.errors import SignallingError
from guard.core.units import Seconds
from guard.telemetry import log
from guard.telemetry.native import divert_native_stderr
from guard.web.tokens import TokenIssuer, one_time_issuer, open_issuer

if TYPE_CHECKING:
    from guard.session.node import Node

LAST_CALL: Seconds = 1.0
"""A node that stops answers for so long that it is not ready, so that those who send it calls notice."""

Say = Callable[[str], None]


def serve(
    *,
    path: ConfigFile = None,
    dev: Annotated[
        bool, typer.Option("--dev", help="Make a key for this run only, and print links for the room dev.")
    ] = False,
    lan: Annotated[
        bool,
        typer.Option("--lan", help="With --dev: for the local network, by HTTPS."),
    ] = False,
    native_log: Annotated[
        Path | None, typer.Option(help="File for what native libraries print; without it, nowhere.")
    ] = None,
) -> None:
    """Relay calls by WHIP and WHEP, judge their faces, raise alerts; Ctrl-C or SIGTERM ends it.

    Prints its address on stdout and logs on stderr.

    Example: guard serve --dev
    """
    if lan and not dev:
        msg = "serve: expected --dev with --lan; without it set web.host, web.tls_cert and web.tls_key"
        raise SignallingError(msg)
    settings = load(path)
    issuer = one_time_issuer(settings.web) if dev else open_issuer(settings.web)
    divert_native_stderr(native_log or Path(os.devnull))
    log.configure(settings.log.level, json_lines=settings.log.json_lines)
    with for_trying_out(settings, typer.echo, lan=lan) if dev else nullcontext(settings) as effective:
        asyncio.run(_run(effective, issuer, dev=dev))


async def _run(settings: Settings, issuer: TokenIssuer, *, dev: bool) -> None:
    # the heavy libraries are loaded only now, with their printing diverted
    from guard.session.opening import open_node  # noqa: PLC0415 -- see above

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    node = await asyncio.to_thread(open_node, settings, time.monotonic, _wall)

    def greet(address: str) -> None:
        typer.echo(f"listening at {address}")
        if dev:
            tell_links(issuer, address, typer.echo)

    await serve_until(stop, node, issuer, settings, greet)


async def serve_until(
    stop: asyncio.Event, node: "Node", issuer: TokenIssuer, settings: Settings, greet: Say
) -> None:
    """Serve the node until ``stop`` is set; then take no more calls, end those there are, deliver alerts.

    ``greet`` is told the address. Raises EnvironmentProblem where the server cannot listen or dies.
    """
    from guard.web.app import create_app  # noqa: PLC0415 -- heavy, see _run
    from guard.web.server import HttpServer  # noqa: PLC0415 -- same

    await node.start()
    try:
        app = create_app(node, issuer, settings, _wall)
        async with HttpServer(app, settings.web, node.count_cut) as server:
            greet(server.url)
            await _first(stop.wait(), server.failed())
            node.drain()
            await asyncio.sleep(LAST_CALL)
            await node.stop()
    finally:
        await node.stop()


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait for the first of them, raise what it raises, and leave the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


def _wall() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 -- the edge where the date is read
