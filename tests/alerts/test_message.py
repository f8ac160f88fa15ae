import json
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from py_ocsf_models.events.findings.detection_finding import (  # type: ignore[import-untyped]  # it carries none
    DetectionFinding,
)

from guard.alerts.lifecycle import AlertBook, AlertEvent, AlertKind, Participant, uuid7
from guard.alerts.message import EngineDigest, Issuer, encode, parse, plain_words, travelling_name
from guard.config.settings import AlertSettings
from guard.core.errors import SignallingError
from guard.core.types import Contribution, Cue, Family, Reason, Transition, TransitionKind
from tests.support.alerts import ISSUER, WHO, clearing, evidence, raising, transition, updating

pytestmark = pytest.mark.unit

RAISED_AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def life(
    *steps: Transition, who: Participant = WHO, settings: AlertSettings | None = None
) -> list[AlertEvent]:
    book = AlertBook(settings or AlertSettings(), lambda _: "0193-alert")
    return [
        event
        for step in steps
        for event in book.handle(who, step, step.at, RAISED_AT + timedelta(seconds=step.at))
    ]


WHOLE_LIFE = life(raising(0.0), updating(6.0, severity=4), clearing(31.5), raising(40.0))


@pytest.mark.parametrize(
    ("event", "activity", "status"), list(zip(WHOLE_LIFE, (1, 2, 3, 2), (1, 2, 4, 2), strict=True))
)
def test_the_data_is_an_ocsf_detection_finding(event: AlertEvent, activity: int, status: int):
    finding = json.loads(encode(event, ISSUER))["data"]
    checked = DetectionFinding.model_validate(finding)
    assert (checked.activity_id, checked.type_uid, checked.status_id) == (activity, 200400 + activity, status)
    assert checked.finding_info.uid == "0193-alert"
    # what the validator does not know it would drop in silence
    assert set(finding) <= set(DetectionFinding.model_fields)


def test_the_envelope_is_cloudevents():
    envelope = json.loads(encode(WHOLE_LIFE[0], ISSUER))
    envelope.pop("data")
    assert envelope == {
        "specversion": "1.0",
        "id": "0193-alert.1",
        "source": "/guard/node-1",
        "type": "io.guard.alert.raised",
        "subject": "0193-alert",
        "time": "2026-11-22T09:00:00Z",
        "datacontenttype": "application/json",
        "severity": 3,
        "seq": 1,
    }


def test_a_clear_says_when_it_began_and_ended_and_why():
    finding = json.loads(encode(WHOLE_LIFE[2], ISSUER))["data"]
    assert finding["end_time"] - finding["start_time"] == finding["duration"] == 31_500
    assert finding["status_detail"] == "cleared"


def test_cues_threshold_and_weights_are_in_every_message():
    finding = json.loads(encode(WHOLE_LIFE[1], ISSUER))["data"]
    assert finding["evidences"][0] == {
        "name": "cue.face_manipulation",
        "data": {"value": 0.97, "weight": 0.9, "log_odds": 3.5, "reason": "learned_score"},
    }
    details = finding["unmapped"]["guard"]
    assert details["threshold"] == 0.85
    assert details["engines"] == [{"name": "face-manipulation", "sha256": "ab" * 32}]
    assert details["reason_codes"] == ["learned_score"]


def test_a_cue_that_speaks_by_its_level_and_by_a_jump_is_told_as_two():
    (level,) = evidence()
    both = (level, replace(level, log_odds=2.0, reason=Reason.SPIKE))
    (event,) = life(transition(TransitionKind.RAISE, 0.0, contributions=both))
    finding = json.loads(encode(event, ISSUER))["data"]
    assert [part["name"] for part in finding["evidences"]] == [
        "cue.face_manipulation",
        "cue.face_manipulation.spike",
    ]
    assert finding["message"].endswith(
        "Strongest cues: learned manipulation score, sudden change of the learned manipulation score."
    )


@pytest.mark.parametrize("event", WHOLE_LIFE)
def test_a_subscriber_reads_what_was_sent(event: AlertEvent):
    message = parse(encode(event, ISSUER))
    assert (message.message_id, message.alert_id, message.seq) == (
        event.message_id,
        event.alert_id,
        event.seq,
    )
    assert (message.kind, message.family, message.severity) == (event.kind, event.family, event.severity)
    assert (message.at, message.raised_at) == (event.at, RAISED_AT)
    assert (message.session_id, message.participant_id) == (WHO.session_id, WHO.participant_id)
    assert message.display_name == "Ada"


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"specversion": "1.0"}', b"online", b"{" * 5000],
)
def test_anything_else_is_refused_in_one_line(payload: bytes):
    with pytest.raises(SignallingError, match="alert message: expected") as refusal:
        parse(payload)
    assert str(refusal.value).isprintable()


def test_every_truncation_is_refused():
    whole = encode(WHOLE_LIFE[0], ISSUER)
    for end in range(0, len(whole) - 1, 7):
        with pytest.raises(SignallingError):
            parse(whole[:end])


def test_a_newer_node_may_say_more():
    whole = json.loads(encode(WHOLE_LIFE[0], ISSUER))
    whole["budget"] = 1
    whole["data"]["unmapped"]["guard"]["reason_codes"] = ["a_reason_of_next_year"]
    assert parse(json.dumps(whole).encode()).envelope.data.unmapped.guard.reason_codes == (
        "a_reason_of_next_year",
    )


WORDS = st.text(max_size=300) | st.sampled_from(
    ["\ud800 alone", "\x00\x1b[2J#+/", "😀" * 300, '"' * 300, '""😀' * 100, "\\" * 300]
)
LONGEST_ISSUER = Issuer(
    "n" * 64, "0.1.0", 0.85, tuple(EngineDigest(name="e" * 32, sha256="ab" * 32) for _ in range(4))
)


def attended_life(who: Participant, step: Transition, by: str, reason: str) -> list[AlertEvent]:
    """Raised, acknowledged, suppressed, closed and acknowledged again."""
    at = RAISED_AT + timedelta(microseconds=123_456)
    book = AlertBook(AlertSettings(), lambda at: str(uuid7(at, 5)))
    (raised,) = book.handle(who, step, 0.0, at)
    return [
        raised,
        book.acknowledge(raised.alert_id, by, reason, now=1.0, wall=at),
        book.suppress(raised.alert_id, by, f"so: {reason}", 30, now=2.0, wall=at),
        *book.participant_left(who, 3.0, at),
        book.acknowledge(raised.alert_id, by, reason, now=4.0, wall=at),
    ]


@given(WORDS, WORDS, WORDS, WORDS)
@example("\u202egnp.exe" * 50, "\ud83d" * 400, "\u2028", "\x7f")
@example('""😀' * 100, '""😀' * 100, '""😀' * 100, '""😀' * 100)
def test_any_words_fit_and_stand_in_the_payload_only(name: str, external: str, by: str, reason: str):
    who = Participant("c_0123456789ab", "p_0123456789ab", display_name=name, external_id=external)
    parts = tuple(Contribution(cue, 0.987654, 0.9, 3.123456, Reason.SPIKE) for cue in Cue) * 2
    step = transition(TransitionKind.RAISE, 0.0, contributions=parts)
    for event in attended_life(who, step, by, reason):
        payload = encode(event, LONGEST_ISSUER)
        assert len(payload) <= 4096
        assert not any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in payload.decode())
        finding = json.loads(payload)["data"]
        assert not any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in str(finding.get("comment")))
        shown = parse(payload)
        assert not any(unicodedata.category(sign) in {"Cc", "Cs"} for sign in shown.display_name + shown.text)
        assert len(shown.display_name) <= 80


def test_a_message_that_would_be_too_long_leaves_out_the_weakest_cues():
    parts = tuple(Contribution(Cue.BLINK, 0.5, 0.5, float(9 - n), Reason.NO_BLINK) for n in range(9))
    step = transition(TransitionKind.RAISE, 0.0, contributions=parts)
    who = Participant("s1", "p1", display_name="名" * 80, external_id="名" * 80)
    suppressed = attended_life(who, step, "名" * 80, "名" * 200)[2]
    told = [part.data.log_odds for part in parse(encode(suppressed, LONGEST_ISSUER)).envelope.data.evidences]
    assert told == [9.0, 8.0, 7.0, 6.0][: len(told)]
    assert 0 < len(told) < 9


def test_names_and_reasons_are_cut_to_what_has_room():
    assert travelling_name("a" * 300) == "a" * 80
    assert travelling_name("😀" * 300) == "😀" * 40
    assert travelling_name('"' * 300) == '"' * 80
    acknowledged = attended_life(WHO, raising(0.0), "Grace", "b" * 300)[1]
    assert parse(encode(acknowledged, ISSUER)).envelope.data.comment == "b" * 200


ATTENDED = attended_life(WHO, raising(0.0), "Grace", "seen on the call")


@pytest.mark.parametrize(
    ("event", "activity", "status", "comment"),
    list(
        zip(
            ATTENDED,
            (1, 2, 2, 3, 2),
            ("New", "In Progress", "Suppressed", "Resolved", "Resolved"),
            (None, "seen on the call", "so: seen on the call", None, "seen on the call"),
            strict=True,
        )
    ),
)
def test_what_operators_do_is_told_as_ocsf_has_it(
    event: AlertEvent, activity: int, status: str, comment: str | None
):
    finding = json.loads(encode(event, ISSUER))["data"]
    checked = DetectionFinding.model_validate(finding)
    assert (checked.activity_id, checked.status, checked.comment) == (activity, status, comment)
    assert checked.status_id == {"New": 1, "In Progress": 2, "Suppressed": 3, "Resolved": 4}[status]
    assert set(finding) <= set(DetectionFinding.model_fields)


def test_who_acknowledged_and_suppressed_stays_in_every_later_message():
    details = json.loads(encode(ATTENDED[3], ISSUER))["data"]["unmapped"]["guard"]
    at = "2026-11-22T09:00:00.123456Z"
    assert details["acknowledged"] == {"by": "Grace", "at": at, "reason": "seen on the call"}
    until = "2026-11-22T09:30:00.123456Z"
    assert details["suppressed"] == {
        "by": "Grace",
        "at": at,
        "until": until,
        "reason": "so: seen on the call",
    }


def test_a_closed_alert_acknowledged_later_ended_when_it_ended():
    book = AlertBook(AlertSettings(), lambda _: "a")
    book.handle(WHO, raising(0.0), 0.0, RAISED_AT)
    book.participant_left(WHO, 5.0, RAISED_AT + timedelta(seconds=5))
    event = book.acknowledge("a", "Grace", "", now=65.0, wall=RAISED_AT + timedelta(seconds=65))
    finding = json.loads(encode(event, ISSUER))["data"]
    assert finding["end_time"] - finding["start_time"] == finding["duration"] == 5000
    assert finding["time"] - finding["start_time"] == 65_000
    assert finding["finding_info"]["last_seen_time"] == finding["end_time"]
    assert "comment" not in finding


def test_a_closed_alert_says_what_was_suspected_at_its_strongest():
    peak = transition(TransitionKind.UPDATE, 6.0, probability=0.99, contributions=evidence(5.0))
    faded = transition(TransitionKind.CLEAR, 30.0, probability=0.1, contributions=())
    *_, closed = life(raising(0.0), peak, faded)
    finding = json.loads(encode(closed, ISSUER))["data"]
    assert finding["message"] == (
        "Ada was suspected of a manipulated face (swapped or reenacted). "
        "Strongest cues: learned manipulation score. Closed: cleared."
    )
    assert finding["evidences"][0]["data"]["log_odds"] == 5.0
    assert finding["confidence_score"] == 99


def test_a_plain_name_of_any_script_travels_as_it_is():
    for name in ("Ada Lovelace", "山田\u3000花子", "عائشة", "👩‍💻"):
        assert travelling_name(name) == name


@pytest.mark.parametrize("family", list(Family))
def test_the_words_never_claim_certainty(family: Family):
    (raised, *_, closed) = life(
        transition(TransitionKind.RAISE, 0.0, family=family),
        transition(TransitionKind.CLEAR, 20.0, family=family),
    )
    assert "Ada" in plain_words(raised)
    if family is not Family.GUARD:
        assert "suspected" in plain_words(raised)
        assert "was suspected" in plain_words(closed)
    else:
        why = "(the trained model speaks for an attack)"
        assert f"sends video that cannot be judged {why}" in plain_words(raised)
        assert f"sent video that could not be judged {why}. Closed: cleared." in plain_words(closed)


def test_without_a_name_the_id_stands_for_the_person():
    (event,) = life(raising(0.0), who=Participant("s1", "p-9"))
    assert plain_words(event).startswith("Participant p-9 is suspected of a manipulated face")


def test_who_left_is_told_as_such():
    book = AlertBook(AlertSettings(), lambda _: "a")
    book.handle(WHO, raising(0.0), 0.0, RAISED_AT)
    (event,) = book.participant_left(WHO, 5.0, RAISED_AT)
    assert event.kind is AlertKind.CLEARED
    assert "Closed: participant left" in plain_words(event)
    assert json.loads(encode(event, ISSUER))["data"]["status_detail"] == "participant_left"
