"""A team's own pictures and clips, listed in MANIFEST.tsv: whether there is enough to learn from."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from guard.core.errors import ConfigError, EnvironmentProblem
from guard.simulate.training.listing import FRAMES_OF_A_CLIP, LISTING, Row, read_rows, refuse


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
    held_out: frozenset[str]
    """Groups that are kept to judge by."""
    left_out: int
    """Attacks of another family."""

    def __str__(self) -> str:
        named = {"bona_fide": "bona_fide", "attack": f"attack (taken for {self.task})"}
        parts = [
            f"{self.pictures[label]} pictures and {self.clips[label]} clips {words}"
            for label, words in named.items()
        ]
        persons, kept = len(self.persons["bona_fide"]), self._kept("bona_fide")
        parts.append(f"{persons} persons, {kept} of them kept to judge by")
        if self.left_out:
            parts.append(f"{self.left_out} attacks of another family left out")
        return ", ".join(parts)

    @property
    def digest(self) -> str:
        """Stands for the rows, and what they say of each file; names nobody."""
        return hashlib.sha256(repr(self.rows).encode()).hexdigest()

    def require(self, least: Least) -> None:
        """Raise ConfigError, with everything that is short, unless there is enough."""
        found = [
            (least.pictures, self._count("bona_fide"), "bona fide pictures (a clip counts as ten)"),
            (least.learned, self._learned("bona_fide"), "persons to learn from"),
            (least.held_out, self._kept("bona_fide"), "persons kept to judge by"),
            (1, self._learned("clips"), "persons in bona fide clips to learn from"),
            (1, self._kept("clips"), "persons in bona fide clips kept to judge by"),
        ]
        if self.persons["attack"]:
            found += [
                (least.attacks, self._count("attack"), "pictures of attacks, or none (same)"),
                (1, self._learned("attack"), "attacked persons to learn from"),
                (1, self._kept("attack"), "attacked persons kept to judge by"),
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

    def _learned(self, kind: str) -> int:
        return len(self.persons[kind] - self.held_out)

    def _kept(self, kind: str) -> int:
        return len(self.persons[kind] & self.held_out)


def read_material(root: Path, task: str) -> Material:
    """Read and check ``root``/MANIFEST.tsv: tab-separated, with ``path``, ``label`` and ``group``.

    Attacks whose column ``family`` names another task are left out.

    Raises:
        EnvironmentProblem: it cannot be read.
        ConfigError: a column is missing, a column says what it cannot, a group is empty or on both sides of
            the split, or a file is not there, not below the folder or no picture.
    """
    path = root / LISTING
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path}: expected a table of pictures and clips, got: {error.strerror}; see engines/README.md"
        raise EnvironmentProblem(msg) from None
    rows = read_rows(content, str(path), grouped=True)
    refuse(str(path), [f"line {row.line}: {fault}" for row in rows if (fault := _fault(root, row))])
    taken = [row for row in rows if row.is_for(task)]
    return _counted(task, taken, len(rows) - len(taken))


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
    held_out = frozenset(row.group for row in rows if row.held_out)
    return Material(task, rows, pictures, clips, groups, held_out, left_out)
