"""``guard config``: whether the configuration is sound, and what it amounts to."""

import json
import sys
from pathlib import Path

import typer

from guard.alerts.address import BrokerAddress
from guard.cli.options import ConfigFile
from guard.config import Settings
from guard.config.load import load, redacted
from guard.faces.landmarker import load_model
from guard.session.networks import find_networks
from guard.web.certificate import open_certificate
from guard.web.tokens import open_issuer

config = typer.Typer(help="The configuration, from a file and the environment.", no_args_is_help=True)


@config.command()
def check(*, path: ConfigFile = None) -> None:
    """Say what is wrong with it, with exit status 1, or that it is sound.

    Example: guard config check --config guard.toml
    """
    settings = checked(path)
    _check_files(settings)
    sys.stdout.write("the configuration is sound\n")
    if settings.web.token_key is None:
        sys.stdout.write("web.token_key is not set: `guard serve` will start with --dev only\n")


@config.command()
def show(*, path: ConfigFile = None) -> None:
    """Print every setting as JSON; secrets are hidden.

    Example: guard config show --config guard.toml
    """
    sys.stdout.write(json.dumps(redacted(checked(path)), indent=2) + "\n")


def checked(path: Path | None) -> Settings:
    """The settings, with what ``guard serve`` would refuse refused; raise ConfigError."""
    settings = load(path)
    BrokerAddress.of(settings.mqtt)
    if settings.web.token_key is not None:
        open_issuer(settings.web)
    return settings


def _check_files(settings: Settings) -> None:
    """Look at the files that the settings name; raise ModelError or ConfigError."""
    if settings.web.tls_cert and settings.web.tls_key:
        open_certificate(settings.web.tls_cert, settings.web.tls_key)
    load_model(settings.faces)
    find_networks(settings.analysis)
