"""``guard config``: whether the configuration is sound, and what it amounts to."""

import json
import sys

import typer

from guard.cli.options import ConfigFile
from guard.config.load import load, redacted

config = typer.Typer(help="The configuration, from a file and the environment.", no_args_is_help=True)


@config.command()
def check(*, path: ConfigFile = None) -> None:
    """Say what is wrong with it, with exit status 1, or that it is sound.

    Example: guard config check --config guard.toml
    """
    key = load(path).web.token_key
    sys.stdout.write("the configuration is sound\n")
    if key is None:
        sys.stdout.write("web.token_key is not set: `guard serve` will start with --dev only\n")


@config.command()
def show(*, path: ConfigFile = None) -> None:
    """Print every setting as JSON; secrets are hidden.

    Example: guard config show --config guard.toml
    """
    sys.stdout.write(json.dumps(redacted(load(path)), indent=2) + "\n")
