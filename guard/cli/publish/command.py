"""The ``guard publish`` command."""

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from guard.cli.options import ConfigFile, Token, TokenFile, read_address, read_token, wrong_use
from guard.cli.waiting import until_interrupted
from guard.config import FaceSettings, IceSettings
from guard.config.load import load
from guard.flow import loops
from guard.telemetry import log
from guard.telemetry.native import divert_native_stderr

if TYPE_CHECKING:
    from guard.cli.publish.attack import Attack
    from guard.cli.publish.pictures import Pictures
    from guard.cli.publish.run import Order, Outcome, Progress


def _list_attacks(context: typer.Context, option: typer.CallbackParam, value: Any) -> Any:
    """Print the names of the attacks and end, where that is what was asked for.

    It hears of ``--attack`` and of ``--json``, and speaks once both are known, whichever came first.
    """
    given = context.params | {option.name: value}
    if given.get("attack") == "list" and "as_json" in given:
        from guard.cli.publish.attack import listed, listed_fields  # noqa: PLC0415 -- heavy, see publish

        typer.echo(json.dumps(listed_fields(), separators=(",", ":")) if given["as_json"] else listed())
        raise typer.Exit
    return value


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
    attack: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Send the source's person through a made attack, or a bona fide change of the picture like "
            "beauty-filter; `--attack list` names them all.",
            callback=_list_attacks,
            is_eager=True,
        ),
    ] = None,
    face: Annotated[
        Path | None,
        typer.Option(help="Photo of the other person, for attacks that need one.", dir_okay=False),
    ] = None,
    attack_at: Annotated[
        float | None, typer.Option(help="Bona fide for so many seconds first.", min=0.0)
    ] = None,
    path: ConfigFile = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print how it went as one line on stdout; or the list of attacks.",
            callback=_list_attacks,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Send a clip or a camera into a room by WHIP, in real time, without sound; Ctrl-C ends it.

    A picture file is sent until then. A camera that breaks off is opened again, a few times. Of the
    configuration only the table `ice` counts (addresses, ports, and TURN servers in place of those that the
    node names), and `faces` for an attack. Attacks are low-tech simulations, made here for testing a guard of
    your own: of the source's first ten seconds, for ever.
    Exit status 0 at the end of the clip, 1 where the node refuses or the call breaks off.

    Example: guard publish clip.mp4 --to http://127.0.0.1:8080/whip/dev --token-file token.txt --loop
    """
    address, secret = read_address(to), read_token(token, token_file)
    _check_source(source)
    settings = load(path)
    made = _find_attack(attack, face, attack_at, settings.faces)
    if made is not None and loop:
        msg = "an attack goes on for ever anyway: leave out --loop, or --attack"
        raise typer.BadParameter(msg, param_hint="--loop")
    if made is not None and seconds is not None and made.begins >= seconds:
        msg = f"expected more than the {made.begins:g} s after which the attack begins, got {seconds:g}"
        raise typer.BadParameter(msg, param_hint="--seconds")
    divert_native_stderr(Path(os.devnull))
    log.configure("warning")
    # the heavy libraries are loaded only now, with their printing diverted
    from guard.cli.publish.attack import UnusableMaterial  # noqa: PLC0415 -- see above
    from guard.cli.publish.run import Ended, Order  # noqa: PLC0415 -- see above

    bits = bitrate and bitrate * 1000
    order = Order(source, address, secret, codec, loop, bits, seconds, made)
    console = Console(stderr=True)
    try:
        outcome = loops.run(_run(order, settings.ice, console))
    except UnusableMaterial as error:
        raise typer.BadParameter(str(error), param_hint="--attack") from None
    console.print(Text(in_words(outcome)), soft_wrap=True)
    if as_json:
        sys.stdout.write(
            json.dumps(asdict(outcome) | {"seconds": round(outcome.seconds, 2)}, separators=(",", ":")) + "\n"
        )
    raise typer.Exit(1 if outcome.ended is Ended.CALL else 0)


def _check_source(source: str) -> None:
    """Raise typer.BadParameter for an address that is none, or of another kind; it may hold a password."""
    if "://" not in source:
        return
    from guard.media.live import SCHEMES, names_camera  # noqa: PLC0415 -- heavy, see publish

    if not names_camera(source):
        known, scheme = " or ".join(f"{one}://" for one in SCHEMES), source.partition("://")[0]
        msg = f"expected a file, or the address of a camera with {known}, got one with {scheme!a}"
        raise typer.BadParameter(msg)
    try:
        sound = urlsplit(source).port != 0
    except ValueError:
        sound = False
    if not sound:
        msg = "expected a file, or an address as rtsp://host:554/stream, got one that is none"
        raise typer.BadParameter(msg)


def _find_attack(
    name: str | None, face: Path | None, at: float | None, faces: FaceSettings
) -> "Attack | None":
    """The attack of this name; raise typer.BadParameter for an unknown one, and where it lacks a face."""
    if name is None:
        if face is not None or at is not None:
            msg = "--face and --attack-at belong to --attack, which is missing"
            raise typer.BadParameter(msg, param_hint="--attack")
        return None
    from guard.cli.publish.attack import Attack  # noqa: PLC0415 -- heavy, see publish
    from guard.simulate.testing.species import Needs, find_species  # noqa: PLC0415 -- same

    with wrong_use("--attack"):
        species = find_species(name)
    if species.needs is Needs.CLIP_AND_OTHER and face is None:
        msg = f"{name} needs a photo of another person: give --face PHOTO"
        raise typer.BadParameter(msg, param_hint="--attack")
    return Attack(species, face, at, faces)


async def _run(order: "Order", ice: IceSettings, console: Console) -> "Outcome":
    from guard.cli.publish.run import broadcast  # noqa: PLC0415 -- heavy, see publish

    line = Live(console=console, transient=True) if console.is_terminal else nullcontext()

    def greet(pictures: "Pictures", watch_url: str | None) -> None:
        size = f"{pictures.size[0]}x{pictures.size[1]}"
        words = f"sending {pictures.title} ({size}, {pictures.fps:.3g} fps) to {order.url}"
        console.print(Text(words), soft_wrap=True)
        if watch_url:
            console.print(Text(f"watch it by WHEP at {watch_url}"), soft_wrap=True)
        if pictures.note:
            console.print(Text(pictures.note, style="yellow"), soft_wrap=True)

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
