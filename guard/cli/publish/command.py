"""The ``guard publish`` command."""

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from guard.cli.options import ConfigFile, Token, TokenFile, read_address, read_token
from guard.cli.waiting import until_interrupted
from guard.config import IceSettings
from guard.config.load import load
from guard.flow import loops
from guard.telemetry import log
from guard.telemetry.native import divert_native_stderr

if TYPE_CHECKING:
    from guard.cli.publish.run import Order, Outcome, Pictures, Progress


def publish(
    *,
    source: Annotated[
        str, typer.Argument(metavar="FILE|rtsp://…", help="A clip, a picture, or a camera's address.")
    ],
    to: Annotated[str, typer.Option("--to", help="WHIP address of a room: http://host:8080/whip/room.")],
    token: Token = None,
    token_file: TokenFile = None,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again where the clip ends.")] = False,
    seconds: Annotated[float | None, typer.Option(help="End after so long.", min=0.1)] = None,
    codec: Annotated[Literal["vp8", "h264"], typer.Option(help="How the pictures are coded.")] = "vp8",
    bitrate: Annotated[
        int | None, typer.Option(help="kbit/s; without it by size and rate.", min=30, max=20_000)
    ] = None,
    path: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print how it went as one line on stdout.")] = False,
) -> None:
    """Send a clip or a camera into a room by WHIP, in real time, without sound; Ctrl-C ends it.

    A picture file is sent until then. A camera that breaks off is opened again, a few times. Of the
    configuration only [ice] counts: addresses, ports, and TURN servers in place of those that the node names.
    Exit status 0 at the end of the clip, 1 where the node refuses or the call breaks off.

    Example: guard publish clip.mp4 --to http://127.0.0.1:8080/whip/dev --token-file token.txt --loop
    """
    address, secret = read_address(to), read_token(token, token_file)
    _check_source(source)
    ice = load(path).ice
    divert_native_stderr(Path(os.devnull))
    log.configure("warning")
    # the heavy libraries are loaded only now, with their printing diverted
    from guard.cli.publish.run import Ended, Order  # noqa: PLC0415 -- see above

    order = Order(source, address, secret, codec, loop, bitrate and bitrate * 1000, seconds)
    console = Console(stderr=True)
    outcome = loops.run(_run(order, ice, console))
    console.print(Text(in_words(outcome)), soft_wrap=True)
    if as_json:
        sys.stdout.write(
            json.dumps(asdict(outcome) | {"seconds": round(outcome.seconds, 2)}, separators=(",", ":")) + "\n"
        )
    raise typer.Exit(1 if outcome.ended is Ended.CALL else 0)


def _check_source(source: str) -> None:
    """Raise typer.BadParameter for an address that is none; it may hold a password."""
    if "://" not in source:
        return
    try:
        sound = urlsplit(source).port != 0
    except ValueError:
        sound = False
    if not sound:
        msg = "expected a file, or an address as rtsp://host:554/stream, got one that is none"
        raise typer.BadParameter(msg)


async def _run(order: "Order", ice: IceSettings, console: Console) -> "Outcome":
    from guard.cli.publish.run import broadcast  # noqa: PLC0415 -- heavy, see publish

    line = Live(console=console, transient=True) if console.is_terminal else nullcontext()

    def greet(pictures: "Pictures", watch_url: str | None) -> None:
        size = f"{pictures.size[0]}x{pictures.size[1]}"
        words = f"sending {pictures.title} ({size}, {pictures.fps:.3g} fps) to {order.url}"
        console.print(Text(words), soft_wrap=True)
        if watch_url:
            console.print(Text(f"watch it by WHEP at {watch_url}"), soft_wrap=True)

    def show(progress: "Progress") -> None:
        if isinstance(line, Live):
            line.update(status_line(progress))

    with until_interrupted() as stop, line:
        return await broadcast(order, stop, show, greet=greet, ice=ice)


def status_line(progress: "Progress") -> Text:
    """One line on how it is going."""
    return Text(
        f"{progress.seconds:6.0f} s · {progress.fps:4.1f} fps · {progress.sent} sent · "
        f"{progress.dropped} dropped · {progress.keyframes_asked} keyframes asked"
    )


def in_words(outcome: "Outcome") -> str:
    """How it ended, for people."""
    reasons = {
        "source": "the source has ended",
        "stopped": "stopped",
        "time": "the time is over",
        "call": "the node ended the call, or the network did",
    }
    figures = f"{outcome.sent} pictures in {outcome.seconds:.1f} s, {outcome.dropped} dropped"
    return f"{reasons[outcome.ended]}: {figures}"
