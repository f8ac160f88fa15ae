"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

ConfigFile: TypeAlias = Annotated[
    Path | None, typer.Option("--config", help="TOML file; without it every setting is at its default.")
]
"""The environment (GUARD__SECTION__KEY) goes before it."""
