"""A team's own pictures and clips, listed in MANIFEST.tsv: whether there is enough to learn from."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from guard.core.errors import ConfigError, EnvironmentProblem
from guard.simulate.training.listing import FRAMES_OF_A_CLIP, LISTING, Row, read_rows, refuse, write_rows
from guard.simulate.training.split import is_held_out


@dataclass(frozen=True, slots=True)
class Least:
    """The least that a recipe can learn from and be judged on."""

    pictures: int = 200
    """Bona fide; a clip counts as ten."""
    attacks: int = 50
    """Pictures of attacks, counted alike, where there are any: without them a recipe makes its own only."""
    learned: int = 8
    """Persons that are learned from."""
    held_out: int = 2
    """Persons that are kept to judge by; a recipe wants one of them in a clip and one under attack, too."""


KEPT = "15 in 100, by a hash of `group`"


@dataclass(frozen=True, slots=True)
class Material:
    """What a manifest lists for the engines of a task."""

    task: str
    rows: Sequence[Row]
    """Without what was left out."""
    pictures: Mapping[str, int]
    """By class, ``bona_fide`` and ``attack``."""
    clips: Mapping[str, int]
    persons: Mapping[str, frozenset[str]]
    """Groups, by class, and of bona fide clips under ``clips``."""
    left_out: int
    """Attacks of another family."""

    def __str__(self) -> str:
        named = {"bona_fide": "bona_fide", "attack": f"attack (taken for {self.task})"}
        parts = [
            f"{self.pictures[label]} pictures and {self.clips[label]} clips {words}"
            for label, words in named.items()
        ]
        people = self.persons["bona_fide"]
        parts.append(f"{len(people)} persons, {_kept(people)} of them kept to judge by")
        if self.left_out:
            parts.append(f"{self.left_out} attacks of another family left out")
        return ", ".join(parts)

    @property
    def placed(self) -> str:
        """Who is held out, and who is not, by column ``held_out``."""
        groups = sorted({row.group for row in self.rows if "\t" in row.group})
        return ", ".join(group.replace("\t", ": ") for group in groups)

    def require(self, least: Least) -> None:
        """Raise ConfigError, with everything that is short, unless there is enough."""
        people, clips, attacked = (self.persons[kind] for kind in ("bona_fide", "clips", "attack"))
        found = [
            (least.pictures, self._count("bona_fide"), "bona fide pictures (a clip counts as ten)"),
            (least.learned, len(people) - _kept(people), "persons to learn from"),
            (least.held_out, _kept(people), f"persons kept to judge by ({KEPT})"),
            (1, len(clips) - _kept(clips), "persons in bona fide clips to learn from"),
            (1, _kept(clips), "persons in bona fide clips kept to judge by"),
        ]
        if attacked:
            found += [
                (least.attacks, self._count("attack"), "pictures of attacks, or none (same)"),
                (1, len(attacked) - _kept(attacked), "attacked persons to learn from"),
                (1, _kept(attacked), "attacked persons kept to judge by"),
            ]
        short = [f"{need} {what}, got {got}" for need, got, what in found if got < need]
        if short:
            msg = (
                f"{LISTING}: expected at least {'; '.join(short)}; add some, each with its person as `group`,"
                f" or say who is kept to judge by in a column `held_out`: yes or no"
            )
            raise ConfigError(msg)

    def _count(self, label: str) -> int:
        return self.pictures[label] + FRAMES_OF_A_CLIP * self.clips[label]


def _kept(persons: Iterable[str]) -> int:
    return sum(map(is_held_out, persons))


def read_material(root: Path, task: str) -> Material:
    """Read and check ``root``/MANIFEST.tsv: tab-separated, with ``path``, ``label`` and ``group``.

    Attacks whose column ``family`` names another task are left out.

    Raises:
        EnvironmentProblem: it cannot be read.
        ConfigError: a column is missing, a label is unknown, a group is empty or on both sides of the split,
            or a file is not there, not below the folder or no picture.
    """
    path = root / LISTING
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path}: expected a table of pictures and clips, got: {error.strerror}; see engines/README.md"
        raise EnvironmentProblem(msg) from None
    rows = read_rows(content, str(path), grouped=True)
    refuse(str(path), [f"line {row.line}: {fault}" for row in rows if (fault := _fault(root, row))])
    taken = [row for row in rows if row.family in {"", task}]
    return _counted(task, taken, len(rows) - len(taken))


def hand_over(material: Material, root: Path, folder: Path) -> Path:
    """The folder whose listing a recipe is to read: ``root``, else ``folder`` with what is not left out."""
    if not material.left_out:
        return root
    folder.mkdir(exist_ok=True)
    (folder / LISTING).write_text(write_rows(material.rows, root.absolute()), encoding="utf-8")
    return folder


def _fault(root: Path, row: Row) -> str:
    """What is wrong with a row's file; empty where nothing is."""
    if Path(row.path).is_absolute() or ".." in Path(row.path).parts:
        return f"expected a path below the folder, got {row.path!a}"
    path = root / row.path
    try:
        there = path.is_file()
    except OSError:  # as of a name that is too long
        there = False
    if not there:
        return f"expected a file, got {row.path!a}"
    readable = row.is_clip or cv2.haveImageReader(str(path))
    return "" if readable else f"expected a picture or a clip, got {row.path!a}, which is neither"


def _counted(task: str, rows: Sequence[Row], left_out: int) -> Material:
    pictures: Counter[str] = Counter()
    clips: Counter[str] = Counter()
    persons: dict[str, set[str]] = {"bona_fide": set(), "attack": set(), "clips": set()}
    for row in rows:
        label = "attack" if row.attack else "bona_fide"
        (clips if row.is_clip else pictures)[label] += 1
        persons[label].add(row.group)
        if row.is_clip and not row.attack:
            persons["clips"].add(row.group)
    groups = {kind: frozenset(found) for kind, found in persons.items()}
    return Material(task, rows, pictures, clips, groups, left_out)
