"""Alerts and stretches of one file, and the form of a finding."""

import json

import pytest

from guard.config import AlertSettings
from guard.core.types import Family, State, Transition, TransitionKind
from guard.core.units import Seconds
from guard.session.findings import AlertLog, Refusal, Stretch, Stretches
from tests.support.findings import face, finding

pytestmark = pytest.mark.unit

SHA256 = "ab" * 32


def log(sha256: str = SHA256) -> AlertLog:
    return AlertLog(sha256, AlertSettings())


def step(
    kind: TransitionKind, at: Seconds, severity: int = 3, family: Family = Family.MANIPULATION
) -> Transition:
    return Transition(family, kind, at, 0.9, severity, 1.0)


def test_an_alert_lives_from_raise_to_clear_in_media_time():
    alerts = log()
    alerts.take("face-1", step(TransitionKind.RAISE, 4.25))
    alerts.take("face-1", step(TransitionKind.UPDATE, 4.5, severity=4))
    alerts.take("face-1", step(TransitionKind.UPDATE, 5.0, severity=3))
    (alert,) = alerts.of("face-1")
    assert (alert.family, alert.severity, alert.raised_at, alert.cleared_at) == (
        Family.MANIPULATION,
        4,
        4.25,
        None,
    )
    alerts.take("face-1", step(TransitionKind.CLEAR, 20.0))
    assert (alert.severity, alert.cleared_at) == (4, 20.0)
    assert alerts.of("face-2") == ()


def test_raised_again_within_a_minute_it_is_the_same_alert_as_in_a_call():
    alerts = log()
    for kind, at in ((TransitionKind.RAISE, 1.0), (TransitionKind.CLEAR, 20.0), (TransitionKind.RAISE, 50.0)):
        alerts.take("face-1", step(kind, at))
    assert [(alert.raised_at, alert.cleared_at) for alert in alerts.of("face-1")] == [(1.0, None)]
    alerts.take("face-1", step(TransitionKind.CLEAR, 60.0))
    alerts.take("face-1", step(TransitionKind.RAISE, 200.0))
    assert [(alert.raised_at, alert.cleared_at) for alert in alerts.of("face-1")] == [
        (1.0, 60.0),
        (200.0, None),
    ]


def test_ids_are_made_of_what_the_alert_is_about_and_nothing_else():
    def id_of(sha256: str, subject: str, family: Family, at: Seconds) -> str:
        alerts = log(sha256)
        alerts.take(subject, step(TransitionKind.RAISE, at, family=family))
        return alerts.of(subject)[0].id

    about = (SHA256, "face-1", Family.MANIPULATION, 4.25)
    others = [
        ("cd" * 32, *about[1:]),
        (SHA256, "face-2", *about[2:]),
        (*about[:2], Family.PRESENTATION, 4.25),
        (*about[:3], 4.375),
    ]
    ids = [id_of(*one) for one in (about, *others)]
    assert ids[0] == id_of(*about)
    assert len(set(ids)) == 5


def test_stretches_that_touch_become_one_with_the_longest_reason_first():
    stretches = Stretches()
    stretches.add(0.0, 1.0, ("blurred",))
    stretches.add(1.0, 4.0, ("no_face",))
    stretches.add(4.0, 4.5, ("no_face", "blurred"))
    stretches.add(6.0, 7.0, ("too_dark",))
    assert list(stretches) == [
        Stretch(0.0, 4.5, ("no_face", "blurred")),
        Stretch(6.0, 7.0, ("too_dark",)),
    ]


def test_a_finding_has_the_agreed_form():
    fields = finding("call.mp4", [face(1, State.ATTACK)]).as_fields()
    assert list(fields)[:5] == ["file", "sha256", "seconds", "frames", "participants"]
    assert list(fields["participants"][0]) == [
        "face_id",
        "state",
        "liveness",
        "deepfake",
        "coverage",
        "reasons",
        "timeline",
        "alerts",
    ]
    assert list(fields["participants"][0]["alerts"][0]) == [
        "id",
        "family",
        "severity",
        "raised_at",
        "cleared_at",
    ]
    assert fields["participants"][0]["timeline"][0] == [0.0, 0.9, 0.1, "attack"]
    assert fields["cannot_judge"] == [{"from": 1.0, "to": 2.5, "reasons": ["no_face"]}]
    assert fields["engines"][0]["commercial_use"] is False
    assert "not proof" in fields["indication"]
    assert "/" not in json.dumps(fields["file"])
    json.dumps(fields)


@pytest.mark.parametrize(
    ("faces", "state"),
    [
        ((), State.INSUFFICIENT),
        ((State.INSUFFICIENT,), State.INSUFFICIENT),
        ((State.INSUFFICIENT, State.BONA_FIDE), State.BONA_FIDE),
        ((State.BONA_FIDE, State.SUSPICIOUS), State.SUSPICIOUS),
        ((State.SUSPICIOUS, State.ATTACK, State.BONA_FIDE), State.ATTACK),
    ],
)
def test_a_file_is_as_bad_as_its_worst_face(faces: tuple[State, ...], state: State):
    assert finding("call.mp4", [face(number, one) for number, one in enumerate(faces, 1)]).state is state


def test_a_file_that_was_hardly_judged_is_not_called_bona_fide():
    faces = [face(1, State.BONA_FIDE)]
    assert finding("call.mp4", faces, coverage=0.5).state is State.INSUFFICIENT
    assert finding("call.mp4", faces, unjudged=True).state is State.INSUFFICIENT
    assert finding("call.mp4", [face(1, State.ATTACK)], coverage=0.1).state is State.ATTACK


def test_a_file_is_clean_when_nothing_was_raised_and_all_of_it_was_read():
    faces = [face(1, State.BONA_FIDE)]
    assert finding("call.mp4", faces).clean
    assert not finding("call.mp4", faces, unjudged=True).clean
    assert not finding("call.mp4", faces, broke_off="its container states 9.0 s").clean
    assert not finding("call.mp4", [face(1, State.ATTACK)]).clean
    assert not Refusal("call.mp4", "no video track").clean
