"""The demo's verdict on a run."""

import pytest

from guard.cli.demo.record import AlertSpan, CallerRecord, Run, Sample
from guard.core.types import Family, State

pytestmark = pytest.mark.unit


def samples(seconds: int = 30, coverage: float = 1.0, deepfake: float = 0.1) -> list[Sample]:
    return [Sample(t, 0.9, deepfake, State.BONA_FIDE, coverage) for t in range(seconds)]


def bona_fide(**changes: object) -> CallerRecord:
    caller = CallerRecord("p1", "talking person", "bona_fide", samples=samples(), received_frames=9)
    for name, value in changes.items():
        setattr(caller, name, value)
    return caller


def swap() -> CallerRecord:
    return CallerRecord(
        "p3",
        "live face swap",
        "attack",
        frozenset({Family.MANIPULATION}),
        attack_span=(10.0, 20.0),
        samples=samples(),
        received_frames=9,
    )


def alert(
    participant: str,
    family: Family = Family.MANIPULATION,
    cleared_at: float | None = 31.0,
    raised_at: float = 12.0,
) -> AlertSpan:
    return AlertSpan("a1", participant, family, 3, "suspected", raised_at, cleared_at)


def test_as_expected() -> None:
    run = Run([bona_fide(), swap()], [alert("p3")], seconds=35)
    summary = run.summary()
    assert summary["ok"] is True
    assert [p["state"] for p in summary["participants"]] == ["bona_fide", "attack"]
    assert summary["participants"][1]["alerts"] == ["a1"]
    assert summary["alerts"] == [
        {"id": "a1", "participant": "p3", "family": "manipulation", "raised_at": 12.0, "cleared_at": 31.0}
    ]


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (Run([bona_fide()], [alert("p1")]), "though bona fide"),
        (Run([bona_fide(samples=samples(coverage=0.5))]), "judged 50%"),
        (Run([bona_fide(samples=[])]), "judged 0%"),
        (Run([bona_fide(received_frames=0)]), "no relayed video"),
        (Run([swap()]), "raised nothing"),
        (Run([swap()], [alert("p3", Family.GUARD)]), "raised nothing"),
        (Run([swap()], [alert("p3", cleared_at=None)]), "not cleared"),
        (Run([swap()], [alert("p3", cleared_at=15.0)]), "not cleared"),
        (Run([swap()], [alert("p3", raised_at=9.9)]), "raised nothing"),
        (Run([swap()], [alert("p3", raised_at=9.9)]), "manipulation before the attack was switched on"),
        (
            Run([swap()], [alert("p3", Family.PRESENTATION, 8.0, 3.0), alert("p3")]),
            "presentation before the attack was switched on",
        ),
        (Run([bona_fide(broke_off="clip: no frame")]), "its video broke off: clip: no frame"),
    ],
)
def test_what_makes_a_run_fall_short(run: Run, why: str) -> None:
    assert run.summary()["ok"] is False
    assert any(why in text for text in run.shortfalls())


def test_an_alert_closed_because_the_caller_left_is_not_a_clear() -> None:
    closed = alert("p3")
    closed.closed_by = "participant_left"
    assert Run([swap()], [closed]).summary()["ok"] is False


def test_headline_scores_are_the_worst_that_was_held() -> None:
    caller = bona_fide()
    spike = Sample(15.2, 0.9, 1.0, State.BONA_FIDE, 1.0)
    caller.samples = sorted([*caller.samples, spike], key=lambda sample: sample.at)
    assert caller.deepfake() == 0.1
    caller.samples = [*samples(10), *(Sample(t, 0.3, 0.8, State.ATTACK, 1.0) for t in range(10, 14))]
    assert caller.deepfake() == 0.8
    assert caller.liveness() == 0.3


def test_nothing_is_held_across_what_could_not_be_judged() -> None:
    gap = Sample(5.5, None, None, State.INSUFFICIENT, 0.1)
    suspected = [Sample(t, 0.3, 0.8, State.ATTACK, 1.0) for t in (4, 5, 6, 7)]
    assert bona_fide(samples=suspected).deepfake() == 0.8
    broken = bona_fide(samples=[*suspected[:2], gap, *suspected[2:]])
    assert (broken.deepfake(), broken.liveness()) == (None, None)
    assert bona_fide(samples=[gap] * 9).liveness() is None


@pytest.mark.parametrize(
    ("alerts", "state"),
    [
        ([], State.BONA_FIDE),
        ([alert("p1", Family.GUARD, None)], State.INSUFFICIENT),
        ([alert("p1", Family.GUARD)], State.BONA_FIDE),
        ([alert("p1", Family.GUARD, None), alert("p1")], State.ATTACK),
    ],
)
def test_who_could_not_be_judged_is_no_attacker(alerts: list[AlertSpan], state: State):
    caller = bona_fide()
    assert Run([caller], alerts).verdict(caller) is state
