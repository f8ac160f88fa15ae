"""What the tables say of counts, gaps and too few people."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from bench.judging import plotting, report, tables
from bench.judging.figures import Rate
from bench.judging.judge import Judged, Setting
from bench.judging.rows import Row
from bench.judging.summary import Scored, last_line, reasons_of
from guard.core.types import Cue, Reason, Score

pytestmark = pytest.mark.unit

PLAIN = Setting()


def judged(
    value: float | None, person: str, species: str = "", ita: float | None = 45.0, luma: float = 120.0
) -> Judged:
    """A picture that an engine scored so; None: it abstained."""
    spoken = value is not None
    reason = Reason.LEARNED_SCORE if spoken else Reason.BLURRED
    score = Score(Cue.FACE_MANIPULATION, value if value is not None else 0.5, float(spoken), reason)
    row = Row(Path(f"{person}.jpg"), bool(species), species, person)
    return Judged(row, PLAIN, {"net": score}, np.zeros(7), ita, luma)


def crowd(count: int, hits: int, name: str, ita: float = 45.0) -> list[Judged]:
    return [judged(0.9 if n < hits else 0.1, f"{name}{n}", ita=ita) for n in range(count)]


def words(table: tables.Table) -> str:
    return "\n".join([*("|".join(line) for line in table.lines), *table.notes])


def test_abstentions_are_told_and_count_as_undecided_only_in_their_own_figure():
    pictures = [
        judged(0.2, "a"),
        judged(0.6, "b"),
        judged(None, "c"),
        judged(0.9, "d", "swap"),
        judged(None, "e", "swap"),
    ]
    told = last_line(Scored.by_engine(pictures, "net"), reasons_of(pictures, "net"), 0.5)
    assert (told["n"], told["judged"], told["groups"]) == (5, 3, 5)
    assert told["abstained"] == {"bona_fide": 1, "attack": 1}
    assert told["abstained_because"] == {"blurred": 2}
    assert told["auc"] == 1.0
    assert told["bpcer"] == 0.5
    assert told["apcer"] == {"swap": 0.0}
    assert told["auc_with_abstentions"] == pytest.approx((3 + 1 + 0 + 0.5) / 6, abs=1e-4)


def test_an_engine_that_never_speaks_has_no_figures():
    pictures = [judged(None, "a"), judged(None, "b", "swap")]
    told = last_line(Scored.by_engine(pictures, "net"), reasons_of(pictures, "net"), 0.5)
    assert (told["auc"], told["auc_lo"], told["eer"], told["bpcer"]) == (None, None, None, None)
    assert told["apcer"] == {"swap": None}


def test_few_people_are_not_judged_and_a_gap_over_two_is_named():
    pictures = [
        *crowd(60, 3, "light", ita=45.0),
        *crowd(60, 30, "dark", ita=-40.0),
        *crowd(5, 5, "tan", ita=20.0),
    ]
    skin = next(tables.splits(pictures, "net", 0.5))
    said = words(skin)
    assert "tan (10° to 28°)|5|5|not enough people|not enough people" in said
    assert "GAP, BPCER: dark (< -30°) 8.7x that of light (41° to 55°); their intervals do not overlap" in said
    assert "abstention: no gap over 2x" in said


def test_many_pictures_of_few_people_are_not_enough():
    pictures = [judged(0.9, f"p{n % 3}") for n in range(300)]
    assert "|300|3|not enough people" in words(next(tables.splits(pictures, "net", 0.5)))


def test_people_of_whom_nobody_was_judged_are_not_counted():
    pictures = [*crowd(15, 5, "x"), *(judged(None, f"y{n}") for n in range(40))]
    assert "|55|15|not enough people" in words(next(tables.splits(pictures, "net", 0.5)))


def test_a_gap_within_chance_says_so():
    told = list(tables.gaps("BPCER", {"a": Rate(1, 30), "b": Rate(4, 30)}))
    assert told == ["GAP, BPCER: b 3.0x that of a; their intervals overlap"]
    assert list(tables.gaps("BPCER", {"a": Rate(1, 30)})) == []


def test_unmeasured_skin_stands_apart():
    parts = tables.parted(
        [judged(0.1, "a", ita=None), judged(0.1, "b", ita=60.0)], tables.SKIN, lambda j: j.ita
    )
    assert {name: len(part) for name, part in parts.items() if part} == {
        "not measured": 1,
        "very light (ITA > 55°)": 1,
    }


def test_species_are_set_against_bona_fide_of_their_own_source_where_there_are_enough():
    def sourced(pictures: Iterable[Judged], source: str) -> list[Judged]:
        return [
            Judged(Row(p.row.path, p.row.attack, p.row.species, p.row.group, source), PLAIN, p.scores)
            for p in pictures
        ]

    pictures = [
        *sourced(crowd(30, 30, "x"), "studio"),
        *sourced(crowd(30, 0, "y"), "street"),
        *sourced([judged(0.5, f"a{n}", "swap") for n in range(10)], "street"),
    ]
    (line,) = tables.by_species({PLAIN: pictures}, "net", "manipulation", 0.5).lines
    assert line[-1] == "30 of the same source"
    assert line[-2].startswith("1.000")


def test_report_and_plot_are_written(tmp_path: Path):
    rng = np.random.default_rng(1)
    pictures = [
        judged(float(np.clip(rng.normal(0.3 + 0.4 * (n % 2), 0.2), 0, 1)), f"p{n}", "swap" if n % 2 else "")
        for n in range(60)
    ]
    runs = {PLAIN: pictures, Setting("vp8-250k"): pictures, Setting("vp8-600k", 48): pictures}
    drawn = plotting.curves(runs, ["net"], ("vp8-600k", 96))
    assert [curve.name for curve in drawn] == ["net", "simple measures", "net", "simple measures"]
    plotting.write_png(drawn, "a ladder", tmp_path / "ladder.png")
    assert (tmp_path / "ladder.png").read_bytes().startswith(b"\x89PNG")
    table = tables.ladder(runs, "net", [], 0.5)
    page = tmp_path / "report.html"
    report.write_page("Accuracy", ["<head>"], [table], plotting.figure(drawn, "a ladder"), page)
    text = page.read_text()
    assert "vp8-250k 96 px" in text
    assert "&lt;head&gt;" in text
    assert "plotly" in text
