"""``guard serve``: one node, until it is told to stop."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.clock import wall
from guard.cli.dev import for_trying_out, tell_links
from guard.cli.options import ConfigFile
from guard.cli.waiting import LastResort, first, until_interrupted
from guard.config import Settings
from guard.config.load import load
from guard.core.units import Seconds
from guard.flow import loops
from guard.telemetry import log
from guard.telemetry.native import divert_native_stderr
from guard.web.tokens import TokenIssuer, one_time_issuer, open_issuer

if TYPE_CHECKING:
    from guard.session.node import Node
    from guard.web.server import HttpServer

STOP_WITHIN: Seconds = 8.5
"""From the signal until calls, alerts and requests have ended, whatever hangs."""

END_WITHIN: Seconds = 9.5
"""From the signal until the process has ended: service managers lose patience after ten seconds."""

LAST_CALL: Seconds = 1.0
"""A node that stops answers for so long that it is not ready, so that those who send it calls notice."""

NODE_SHARE = 0.8
"""Of the time that is left then, what the node gets; the rest is for requests in hand."""

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
        msg = "expected --dev with it; else set web.host, web.tls_cert and web.tls_key"
        raise typer.BadParameter(msg, param_hint="--lan")
    settings = load(path)
    issuer = one_time_issuer(settings.web) if dev else open_issuer(settings.web)
    divert_native_stderr(native_log or Path(os.devnull))
    log.configure(settings.log.level, json_lines=settings.log.json_lines, personal=settings.log.personal)
    with for_trying_out(settings, typer.echo, lan=lan) if dev else nullcontext(settings) as effective:
        loops.run(_run(effective, issuer, dev=dev))


async def _run(settings: Settings, issuer: TokenIssuer, *, dev: bool) -> None:
    # the heavy libraries are loaded only now, with their printing diverted
    from guard.session.opening import open_node  # noqa: PLC0415 -- see above

    def greet(address: str) -> None:
        typer.echo(f"listening at {address}")
        if dev:
            tell_links(issuer, address, typer.echo)

    last_resort = LastResort()
    with until_interrupted(partial(last_resort.arm, END_WITHIN)) as stop:
        node = await asyncio.to_thread(open_node, settings, time.monotonic, wall)
        # a terminal that closes hangs up, too, and should end what was tried out in it
        await serve_until(stop, node, issuer, settings, greet, reloads=not dev)
    last_resort.status = 0


async def serve_until(
    stop: asyncio.Event,
    node: "Node",
    issuer: TokenIssuer,
    settings: Settings,
    greet: Say,
    *,
    reloads: bool = False,
) -> None:
    """Serve the node until ``stop`` is set; then take no more calls, end those there are, deliver alerts.

    That takes no longer than ``STOP_WITHIN``. ``greet`` is told the address. With ``reloads`` SIGHUP has the
    certificate read again. Raises EnvironmentProblem where the server cannot listen or dies.
    """
    from guard.web.app import create_app  # noqa: PLC0415 -- heavy, see _run
    from guard.web.server import HttpServer  # noqa: PLC0415 -- same

    server = HttpServer(create_app(node, issuer, settings, wall), settings.web, node.count_cut)
    await node.start()
    try:
        await server.start()
        greet(server.url)
        with _reloading(server) if reloads and settings.web.secure else nullcontext():
            await first(stop.wait(), server.failed())
    finally:
        await _end(node, server, said=stop.is_set())


async def _end(node: "Node", server: "HttpServer", *, said: bool) -> None:
    """Stop both; where we were told to, whoever sends calls here may notice first."""
    now = asyncio.get_running_loop().time
    until = now() + STOP_WITHIN
    try:
        if said:
            node.drain()
            await asyncio.sleep(LAST_CALL)
        await node.stop(NODE_SHARE * (until - now()))
    finally:
        await server.stop(max(0.0, until - now()))


@contextmanager
def _reloading(server: "HttpServer") -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, server.reload)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
