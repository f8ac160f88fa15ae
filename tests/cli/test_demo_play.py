"""What the demo makes of the broker's messages."""

from datetime import UTC, datetime, timedelta

import pytest

from guard.alerts.lifecycle import AlertBook, Participant
from guard.alerts.message import encode
from guard.alerts.mqtt import BrokerMessage
from guard.cli.demo.play import Recorder
from guard.cli.demo.record import Run
from guard.cli.demo.scene import Stopwatch
from guard.config import AlertSettings
from tests.support.alerts import ISSUER, raising
from tests.support.demo import caller

pytestmark = pytest.mark.unit

AT = datetime(2026, 1, 1, tzinfo=UTC)


def raised(participant: str) -> BrokerMessage:
    book = AlertBook(AlertSettings(), lambda _: f"alert-of-{participant}")
    (event,) = book.handle(Participant("c1", participant), raising(1.0), 1.0, AT)
    return BrokerMessage(f"guard/v1/demo/alert/{event.alert_id}", encode(event, ISSUER), retained=False)


def test_an_alert_counts_once_and_only_of_those_who_play():
    run = Run([caller(1, "talking person")])
    recorder = Recorder(run, Stopwatch())
    for participant in ("p1", "p1", "p9"):
        recorder.take(raised(participant), AT + timedelta(milliseconds=20))
    assert [alert.id for alert in run.alerts] == ["alert-of-p1"]
    assert list(recorder.delivery_ms) == [20.0]
