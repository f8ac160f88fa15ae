"""A table of labelled pictures: its rows, which of them to judge, and a sample that is fair to all."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

from guard.core.errors import MediaError
from guard.simulate.training import listing


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled picture."""

    path: Path
    attack: bool
    species: str
    """Column ``attack``: what kind of attack; ``attack`` where it says nothing, empty of bona fide."""
    group: str
    """Person, scene or clip; the file itself where the table has none."""
    source: str = ""
    """Column ``source``: whose pictures they are; species are set against bona fide pictures of their own."""
    held_out: bool = False
    """Whether no recipe trains on its group: as column ``held_out`` says, else by hash."""


def read_rows(manifest: Path, root: Path, under: Sequence[str] = ()) -> list[Row]:
    """The table's rows, with ``under`` those whose path begins so; raise MediaError or ConfigError."""
    try:
        content = manifest.read_bytes()
    except OSError as error:
        msg = f"{manifest}: expected a table with tabs between its columns, got {error}; check --manifest"
        raise MediaError(msg) from error
    rows = [_row(row, root) for row in listing.read_rows(content, str(manifest))]
    prefixes = tuple(str(root / prefix) for prefix in under)
    chosen = [row for row in rows if not prefixes or str(row.path).startswith(prefixes)]
    if not chosen:
        msg = f"{manifest}: expected rows to judge, got {len(chosen)} of {len(rows)}; check --under"
        raise MediaError(msg)
    return chosen


def _row(row: listing.Row, root: Path) -> Row:
    species = (row.species or "attack") if row.attack else ""
    return Row(root / row.path, row.attack, species, row.group, row.source, row.held_out)


def held_out(rows: Iterable[Row]) -> list[Row]:
    """Those whose group no recipe trains on."""
    return [row for row in rows if row.held_out]


def sample(rows: Sequence[Row], most: int | None, seed: int) -> list[Row]:
    """At most so many rows: half bona fide, attacks shared by species; from as many groups as there are.

    A smaller sample of the same seed is part of a larger one.
    """
    if most is None or most >= len(rows):
        return list(rows)
    bona_fide = _by_turns(_shuffled((row for row in rows if not row.attack), seed))
    species = sorted({row.species for row in rows if row.attack})
    kinds = [_by_turns(_shuffled((row for row in rows if row.species == name), seed)) for name in species]
    return list(islice(_in_turn([bona_fide, _in_turn(kinds)]), most))


def _shuffled(rows: Iterable[Row], seed: int) -> list[Row]:
    """In an order that is any row's own, whatever other rows there are."""
    return sorted(
        rows, key=lambda row: hashlib.sha256(f"{seed}/{row.group}/{row.path.name}".encode()).digest()
    )


def _by_turns(rows: Sequence[Row]) -> Iterator[Row]:
    """One row of each group, then the second of each."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return _in_turn(groups.values())


def _in_turn(parts: Iterable[Iterable[Row]]) -> Iterator[Row]:
    """One of each part, then the second of each."""
    return (row for turn in zip_longest(*parts) for row in turn if row is not None)
