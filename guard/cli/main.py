"""The ``guard`` command."""

import sys

import typer
from rich.console import Console
from rich.text import Text

from guard.cli.analyse.command import analyse
from guard.cli.attach.command import attach
from guard.cli.config import config
from guard.cli.demo.command import demo
from guard.cli.doctor.command import doctor
from guard.cli.engines import engines
from guard.cli.models.command import models
from guard.cli.publish.command import publish
from guard.cli.serve import serve
from guard.cli.token import token
from guard.cli.train.command import train
from guard.cli.watch import watch
from guard.core.errors import GuardError
from guard.core.units import Seconds

app = typer.Typer(
    name="guard",
    help="A real-time guard for video calls.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(analyse)
app.command()(attach)
app.command()(demo)
app.command()(doctor)
app.command()(publish)
app.command()(serve)
app.command()(token)
app.command()(train)
app.command()(watch)
app.add_typer(config, name="config")
app.add_typer(engines, name="engines")
app.add_typer(models, name="models")


SWITCH_INTERVAL: Seconds = 0.001
"""How long a thread may keep Python's lock: with the default of 5 ms, packets wait behind the analysis."""


def main() -> None:
    """Run a command; what is wrong is said in one sentence, with exit status 1."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        app()
    except GuardError as error:
        # a Text, not a string: square brackets in it are no markup
        sentence = Text.assemble(("guard: ", "bold red"), str(error))
        Console(stderr=True).print(sentence, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
