"""MANIFEST.tsv: labelled pictures and clips, read alike by who checks them and by who learns from them."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType
from typing import TypeAlias

from guard.core.errors import ConfigError
from guard.core.types import Family
from guard.simulate.training.split import is_held_out

LISTING = "MANIFEST.tsv"
COLUMNS = ("path", "label")
"""Every listing has these."""

LABELS: Mapping[str, bool] = MappingProxyType(
    {"bona_fide": False, "real": False, "live": False, "attack": True, "fake": True, "spoof": True}
)
"""Whether a label means an attack."""

SIDES: Mapping[str, bool] = MappingProxyType({"yes": True, "no": False})
"""Column ``held_out``, and what it means."""

FAMILIES = (Family.PRESENTATION, Family.MANIPULATION)
"""Column ``family``: which engine an attack is for."""

CLIPS = frozenset({".mp4", ".mkv", ".webm", ".mov", ".avi", ".gif"})
FRAMES_OF_A_CLIP = 10
"""Taken where pictures are wanted."""

TOLD = 3
"""Faults named in an error; the others are counted."""

Fields: TypeAlias = Mapping[str, str | None]
"""A line of the table, by column; None where it ends early."""


@dataclass(frozen=True, slots=True)
class Row:
    """One picture or clip."""

    line: int
    path: str
    """Below the folder of the listing."""
    attack: bool
    group: str
    """Who it is, or where it is from: never on both sides of a split. The path where nobody says."""
    held_out: bool
    """Kept for validation: as column ``held_out`` says of the group, else ``is_held_out``."""
    species: str = ""
    """Column ``attack``: what kind of attack."""
    source: str = ""
    """Whose pictures they are."""
    note: str = ""
    family: Family | None = None
    """Of an attack, one of ``FAMILIES``; None where nobody says."""

    @property
    def is_clip(self) -> bool:
        """By its ending."""
        return PurePath(self.path).suffix.lower() in CLIPS

    def is_for(self, task: str) -> bool:
        """Whether an engine of this task may learn from it: from all but an attack of another family."""
        return self.family in {None, task}


def read_rows(content: bytes, name: str, *, grouped: bool = False) -> list[Row]:
    """The rows of a listing, tab-separated UTF-8 with or without a mark in front; quotes mean themselves.

    A row without ``group`` is a group of its own, unless all must be ``grouped``. Where column ``held_out``
    places one row of a group, it places all of them.

    Raises:
        ConfigError: it is no such table, a row lacks its path or group, says what no row may say, or places
            its group on the other side than another row; ``name`` is told.
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
    sides = _sides(name, table)
    return [_row(line, fields, sides) for line, fields in table]


def refuse(name: str, faults: Sequence[str]) -> None:
    """Raise ConfigError with the first faults and the number of the others, if there are any."""
    if faults:
        more = f"; and {len(faults) - TOLD} more" if len(faults) > TOLD else ""
        raise ConfigError(f"{name}: {'; '.join(faults[:TOLD])}{more}")


def _fault(fields: Fields, *, grouped: bool) -> str:
    """What is wrong with a row; empty where nothing is."""
    path, label, group = (fields.get(column) or "" for column in (*COLUMNS, "group"))
    if label not in LABELS:
        return f"expected a label of {', '.join(sorted(LABELS))}, got {label!a}"
    if grouped and not group:
        return "expected who it is under `group`, got nothing"
    for column, known in (("held_out", SIDES), ("family", FAMILIES)):
        said = fields.get(column) or ""
        if said and said not in known:
            return f"expected {' or '.join(known)} or nothing under `{column}`, got {said!a}"
    return "" if path else "expected a file, got ''"


def _sides(name: str, table: Sequence[tuple[int, Fields]]) -> dict[str, bool]:
    """Whether a group is held out, of those of which column ``held_out`` says it; refuse both of one."""
    sides: dict[str, bool] = {}
    faults = []
    for line, fields in table:
        group, said = _group(fields), fields.get("held_out")
        if said and sides.setdefault(group, SIDES[said]) != SIDES[said]:
            faults.append(f"line {line}: expected all of a group held out or none, got both for {group!a}")
    refuse(name, faults)
    return sides


def _group(fields: Fields) -> str:
    return fields.get("group") or fields["path"] or ""


def _row(line: int, fields: Fields, sides: Mapping[str, bool]) -> Row:
    species, source, note = (fields.get(name) or "" for name in ("attack", "source", "note"))
    group, attack, said = _group(fields), LABELS[fields["label"] or ""], fields.get("family")
    held_out = sides[group] if group in sides else is_held_out(group)
    family = Family(said) if attack and said else None
    return Row(line, fields["path"] or "", attack, group, held_out, species, source, note, family)
