"""The card of an engine of one's own: what it learned from, who may use it, and what its recipe found."""

from pathlib import Path

from guard.cli.train.material import Material
from guard.cli.train.place import Terms
from guard.core.errors import ModelError

QUICK = "made with --quick: some steps on some pictures, which show that the recipe runs; judge nobody by it"


def figures_file(place: Path, engine: str) -> Path:
    """Where the recipe of ``engine`` writes the figures of its last report: ``ENGINE.txt`` in ``--work``."""
    return place / f"{engine}.txt"


def card(terms: Terms, engine: str, material: Material, figures: Path, *, quick: bool) -> str:
    """The text of CARD.md; raise ModelError where the recipe left no figures."""
    if not figures.is_file():
        msg = f"{figures}: expected the figures of the recipe of {engine}, got none; let it write them there"
        raise ModelError(msg)
    found = figures.read_text(encoding="utf-8").strip()
    warning = f"**{QUICK.capitalize()}.**\n\n" if quick else ""
    return (
        f"# {terms.name}\n\nMade by `guard train` after the recipe of `{engine}`.\n\n{warning}"
        f"| | |\n|---|---|\n| learned from | {material} |\n| licence | {terms.licence} |\n"
        f"| data | {terms.data_terms} |\n| commercial use | {'yes' if terms.commercial_use else 'no'} |\n\n"
        f"What the recipe found on persons kept to judge by; attacks that it made are simulated:\n\n"
        f"```\n{found}\n```\n"
    )
