"""What ``guard analyse`` says: lines, the bar, the page."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from guard.cli.analyse.report import write_report
from guard.cli.analyse.view import Bar, lines
from guard.core.errors import EnvironmentProblem
from guard.core.types import Cue, Reason, Score, State
from guard.session.findings import Outcome, Refusal
from guard.session.opinions import Opinion
from tests.support.findings import PROVENANCE, face, finding
from tests.support.media import ManualClock

pytestmark = pytest.mark.unit


def opinion(engine: str, cue: Cue, value: float | None) -> Opinion:
    score = Score(cue, value or 0.5, 0.0 if value is None else 1.0, Reason.LEARNED_SCORE)
    return Opinion(engine, cue, [(0.0, score)])


FIRST = opinion("own", Cue.FACE_MANIPULATION, 0.1)
SECOND = (opinion("other", Cue.SECOND_PRESENTATION, 0.93), opinion("third", Cue.SECOND_MANIPULATION, None))

HOSTILE = '<img src=x onerror=alert(1)>"[red]\x1b[2J\u202e.mp4'


def told(outcome: Outcome) -> str:
    return "\n".join(line.plain for line in lines(outcome))


def page_of(tmp_path: Path, *outcomes: Outcome) -> str:
    write_report(outcomes, PROVENANCE, tmp_path / "report.html")
    return (tmp_path / "report.html").read_text("utf-8")


def test_a_hostile_name_does_nothing_on_a_terminal_or_in_a_page(tmp_path: Path):
    outcomes: tuple[Outcome, ...] = (
        finding(HOSTILE, [face(1, State.ATTACK)]),
        Refusal(HOSTILE, f"{HOSTILE}: no video"),
    )
    page = page_of(tmp_path, *outcomes)
    assert "<img src=x" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") == 3
    for text in (page, *map(told, outcomes)):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_a_name_that_is_no_text_can_be_told(tmp_path: Path):
    assert "\ufffd.mp4" in page_of(tmp_path, Refusal("\udcff.mp4", "no video"))


def test_the_page_says_what_was_found_and_with_what(tmp_path: Path):
    found = finding("call.mp4", [face(1, State.ATTACK)], broke_off="its container states 99.0 s")
    page = page_of(tmp_path, found)
    for words in (
        "Suspected of a manipulated face",
        "The trained model speaks for an attack",
        "The file breaks off",
        "no face in the picture",
        "research only; drawn",
        "no commercial use",
        "2" * 64,
        "ab" * 32,
        "not proof",
        "not cleared",
        "voices are not judged",
    ):
        assert words in page
    assert page.count('id="chart-0-1"') == 1
    assert "folder" not in page.split("</style>")[1].split("<script")[0]


def test_a_face_that_was_never_judged_has_no_plot(tmp_path: Path):
    page = page_of(tmp_path, finding("call.mp4", [face(1, State.INSUFFICIENT, judged=False)], coverage=0.0))
    assert "chart-" not in page
    assert "The face is blurred." in page
    assert "liveness unknown" in page


def test_the_script_that_draws_is_carried_once(tmp_path: Path):
    one = page_of(tmp_path, finding("a.mp4", [face(1, State.BONA_FIDE)]))
    several = page_of(tmp_path, *[finding("a.mp4", [face(1, State.BONA_FIDE), face(2, State.ATTACK)])] * 3)
    assert len(several) < len(one) * 1.1
    assert 'src="http' not in several


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path):
    with pytest.raises(EnvironmentProblem, match="expected a file to write to"):
        write_report((), PROVENANCE, tmp_path / "nowhere" / "report.html")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (finding("a.mp4", []), "a.mp4: cannot be judged. Not enough to judge by: no face in the picture"),
        (
            finding("a.mp4", [face(1, State.BONA_FIDE)], coverage=0.2),
            "Not enough to judge by: no face in the picture; 20% of the file could be judged.",
        ),
        (finding("a.mp4", [face(1, State.SUSPICIOUS)]), "a.mp4: suspicious. Suspicious for 2 s and more"),
        (
            finding("a.mp4", [face(1, State.BONA_FIDE)], unjudged=True),
            "  alert: guard, severity 2, raised at 3.0 s, cleared at 5.0 s",
        ),
        (
            finding("a.mp4", [face(1, State.BONA_FIDE)], broke_off="torn"),
            "  the file breaks off at 10.0 s: torn",
        ),
        (Refusal("a.mp4", "expected a video"), "a.mp4: not analysed. Expected a video"),
    ],
)
def test_a_finding_in_words(outcome: Outcome, words: str):
    assert words in told(outcome)


def test_every_engine_is_told_where_further_ones_were_asked(tmp_path: Path):
    plain = face(1, State.BONA_FIDE)
    asked = replace(plain, opinions=(FIRST, *SECOND))
    words = (
        "P(attack) by engine, on average: "
        "own (manipulation) 0.10, other (presentation) 0.93, third (manipulation) unknown"
    )
    assert words in told(finding("a.mp4", [asked]))
    assert words in page_of(tmp_path, finding("a.mp4", [asked]))
    assert "by engine" not in told(finding("a.mp4", [plain]))


def shown(*, terminal: bool, seconds: float) -> str:
    stream, clock = io.StringIO(), ManualClock()
    with Bar(Console(file=stream, force_terminal=terminal), "call.mp4", clock) as bar:
        bar.show(1.0, 60.0)
        clock.now += seconds
        bar.show(30.0, 60.0)
    return stream.getvalue()


def test_a_bar_is_shown_to_people_who_wait():
    assert "30 of 60 s" in shown(terminal=True, seconds=2.5)
    assert "call.mp4" not in shown(terminal=True, seconds=1.5)
    assert "call.mp4" not in shown(terminal=False, seconds=2.5)
