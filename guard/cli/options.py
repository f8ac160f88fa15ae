"""Options that several commands share."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

import httpx
import typer

from guard.core.errors import GuardError

ConfigFile: TypeAlias = Annotated[
    Path | None, typer.Option("--config", help="TOML file; without it every setting is at its default.")
]
"""The environment (GUARD__SECTION__KEY) goes before it."""

Token: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="GUARD_TOKEN",
        help="Join token. Anybody on this machine can read it in `ps`; better the variable, or --token-file.",
    ),
]
"""Read it with ``read_token``."""

TokenFile: TypeAlias = Annotated[
    Path | None, typer.Option("--token-file", help="File that holds the token.", dir_okay=False)
]

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}")
"""What may stand behind ``Bearer`` (RFC 6750 section 2.1)."""


@contextmanager
def wrong_use(option: str) -> Iterator[None]:
    """Tell what is refused inside as wrong use of this option: exit status 2."""
    try:
        yield
    except GuardError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def read_token(token: str | None, file: Path | None) -> str:
    """The token that was given; raise typer.BadParameter unless there is one that can be sent."""
    if file is not None:
        try:
            token = file.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            msg = f"{file}: expected a file with a token, got {error}"
            raise typer.BadParameter(msg) from None
    if token is None:
        msg = (
            "expected a token, got none: set GUARD_TOKEN, or give --token-file (make one with `guard token`)"
        )
        raise typer.BadParameter(msg)
    if not _TOKEN.fullmatch(token.strip()):
        msg = "expected a token as HTTP carries it (letters, digits, -._~+/=), got something else"
        raise typer.BadParameter(msg)
    return token.strip()


def read_address(text: str, example: str = "http://host:8080/whip/room") -> str:
    """An http:// or https:// address, as given; raise typer.BadParameter for anything else."""
    expected = f"expected an address as {example}, got {text!a}"
    try:
        parts = urlsplit(text)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise typer.BadParameter(expected)
        httpx.URL(text)
    except (ValueError, httpx.InvalidURL) as error:
        raise typer.BadParameter(f"{expected} ({error})") from None
    return text
