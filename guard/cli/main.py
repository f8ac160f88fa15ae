"""The ``guard`` command."""

import sys

import typer
from rich.console import Console

from guard.cli.demo.command import demo
from guard.cli.engines import engines
from guard.core.errors import GuardError

app = typer.Typer(
    name="guard",
    help="A real-time guard for video calls.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command()(demo)
app.add_typer(engines, name="engines")


def main() -> None:
    """Run a command; what is wrong is said in one sentence, with exit status 1."""
    try:
        app()
    except GuardError as error:
        Console(stderr=True).print(f"[bold red]guard:[/] {error}", highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
