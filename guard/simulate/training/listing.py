"""MANIFEST.tsv: labelled pictures and clips, read alike by who checks them and by who learns from them."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType

from guard.core.errors import ConfigError

LISTING = "MANIFEST.tsv"
COLUMNS = ("path", "label")
"""Every listing has these."""

LABELS: Mapping[str, bool] = MappingProxyType(
    {"bona_fide": False, "real": False, "live": False, "attack": True, "fake": True, "spoof": True}
)
"""Whether a label means an attack."""

CLIPS = frozenset({".mp4", ".mkv", ".webm", ".mov", ".avi", ".gif"})
FRAMES_OF_A_CLIP = 10
"""Taken where pictures are wanted."""

TOLD = 3
"""Faults named in an error; the others are counted."""


@dataclass(frozen=True, slots=True)
class Row:
    """One picture or clip."""

    line: int
    path: str
    """Below the folder of the listing."""
    attack: bool
    group: str
    """Who it is, or where it is from: never on both sides of a split. The path where nobody says."""
    species: str = ""
    """Column ``attack``: what kind of attack."""
    source: str = ""
    """Whose pictures they are."""
    note: str = ""

    @property
    def is_clip(self) -> bool:
        """By its ending."""
        return PurePath(self.path).suffix.lower() in CLIPS


def read_rows(content: bytes, name: str, *, grouped: bool = False) -> list[Row]:
    """The rows of a listing, tab-separated UTF-8 with or without a mark in front; quotes mean themselves.

    A row without ``group`` is a group of its own, unless all must be ``grouped``.

    Raises:
        ConfigError: it is no such table, or a row lacks its path or group or has another label; ``name`` is
            told.
    """
    needed = (*COLUMNS, "group") if grouped else COLUMNS
    try:
        text = io.StringIO(content.decode("utf-8-sig"), newline="")
        reader = csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
        missing = [column for column in needed if column not in (reader.fieldnames or ())]
        table = [(reader.line_num, fields) for fields in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{name}: expected a table in UTF-8 with tabs between its columns, got: {error}; save it as one"
        raise ConfigError(msg) from None
    if missing:
        msg = f"{name}: expected the columns {', '.join(needed)}, tabs between, got no {', '.join(missing)}"
        raise ConfigError(msg)
    refuse(
        name,
        [f"line {line}: {fault}" for line, fields in table if (fault := _fault(fields, grouped=grouped))],
    )
    return [_row(line, fields) for line, fields in table]


def refuse(name: str, faults: Sequence[str]) -> None:
    """Raise ConfigError with the first faults and the number of the others, if there are any."""
    if faults:
        more = f"; and {len(faults) - TOLD} more" if len(faults) > TOLD else ""
        raise ConfigError(f"{name}: {'; '.join(faults[:TOLD])}{more}")


def _fault(fields: Mapping[str, str | None], *, grouped: bool) -> str:
    """What is wrong with a row; empty where nothing is."""
    path, label, group = (fields.get(column) or "" for column in (*COLUMNS, "group"))
    if label not in LABELS:
        return f"expected a label of {', '.join(sorted(LABELS))}, got {label!a}"
    if grouped and not group:
        return "expected who it is under `group`, got nothing"
    return "" if path else "expected a file, got ''"


def _row(line: int, fields: Mapping[str, str]) -> Row:
    group, species, source, note = (fields.get(name) or "" for name in ("group", "attack", "source", "note"))
    path = fields["path"]
    return Row(line, path, LABELS[fields["label"]], group or path, species, source, note)
