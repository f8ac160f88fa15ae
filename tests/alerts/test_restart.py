import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from guard.alerts.desk import AlertDesk, open_desk
from guard.alerts.lifecycle import AlertKind, CloseReason
from guard.alerts.message import parse
from guard.alerts.outbox import Letter, Outbox
from guard.alerts.restart import close_earlier
from guard.config.settings import AlertSettings, MqttSettings
from guard.core.errors import DeliveryError
from tests.support.alerts import ISSUER, START, WHO, BrokerInMemory, WallTime, clearing, raising, updating

pytestmark = pytest.mark.unit


def opened(folder: Path, wall: WallTime | None = None) -> AlertDesk:
    settings = AlertSettings(outbox_path=folder / "outbox.sqlite3")
    return open_desk(settings, MqttSettings(node="node-1"), ISSUER, wall or WallTime())


def crashed(folder: Path) -> str:
    """A run that ended with one alert open and one closed; gives the id of the open one."""
    desk = opened(folder)
    desk.submit(WHO, raising(0.0))
    desk.submit(WHO, clearing(30.0))
    (event,) = desk.submit(WHO, raising(300.0))
    desk.acknowledge(event.alert_id, "Grace", "called back", 301.0)
    desk._outbox.close()
    return event.alert_id


def test_alerts_that_were_open_at_a_crash_are_closed_at_the_next_start(tmp_path: Path):
    alert_id, wall = crashed(tmp_path), WallTime()
    wall.turn(600.0)
    desk = opened(tmp_path, wall)
    assert desk.alerts(open_only=True) == []
    newest = desk.alerts()[0]
    assert (newest.id, newest.status, newest.close_reason) == (
        alert_id,
        "cleared",
        CloseReason.NODE_RESTARTED,
    )
    assert newest.cleared_at == START + timedelta(seconds=600)
    assert (newest.display_name, newest.acknowledged_by, newest.probability) == ("Ada", "Grace", 0.93)
    assert newest.contributions
    row = desk._outbox.newest(1)[0]
    message = parse(row.payload)
    assert row.closes
    assert (message.kind, message.seq, message.message_id) == (AlertKind.CLEARED, 3, f"{alert_id}.3")
    assert message.envelope.data.activity_id == 3
    assert "Closed: node restarted." in message.text
    assert message.envelope.data.resources[0].data is not None
    assert message.envelope.data.unmapped.guard.engines == ISSUER.engines
    desk._outbox.close()


def test_they_are_closed_once(tmp_path: Path):
    crashed(tmp_path)
    for _ in range(2):
        desk = opened(tmp_path)
        letters = desk._outbox.count_pending()
        desk._outbox.close()
    assert letters == 5


def test_alerts_of_a_run_are_left_alone_by_itself(tmp_path: Path):
    desk = opened(tmp_path)
    desk.submit(WHO, raising(0.0))
    assert len(desk.alerts(open_only=True)) == 1
    assert len(desk.submit(WHO, updating(10.0, severity=5))) == 1
    desk._outbox.close()


async def test_what_stood_at_the_topic_of_the_alert_is_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    alert_id = await asyncio.to_thread(crashed, tmp_path)
    desk, broker = await asyncio.to_thread(opened, tmp_path), BrokerInMemory()
    monkeypatch.setattr(desk.link, "_dialer", broker)
    running = asyncio.create_task(desk.link.run())
    await broker.until_told(f"guard/v1/node-1/active/{alert_id}")
    assert await desk.close()
    await running
    active = [note for note in broker.taken if note.topic == f"guard/v1/node-1/active/{alert_id}"]
    assert (active[-1].payload, active[-1].retain) == (b"", True)


def test_a_letter_that_cannot_be_read_holds_up_nothing(tmp_path: Path):
    alert_id = crashed(tmp_path)
    outbox = Outbox(tmp_path / "outbox.sqlite3")
    outbox.add([Letter("a.1", "a", closes=False, payload=json.dumps({"id": "a.1"}).encode(), made_at=START)])
    with capture_logs() as logs:
        close_earlier(outbox, ISSUER, START)
    assert [row.alert_id for row in outbox.newest(10, open_only=True)] == ["a"]
    assert outbox.newest(1)[0].alert_id == alert_id
    assert [line["event"] for line in logs] == ["alert cannot be read", "alerts of an earlier run closed"]
    outbox.close()


def test_a_disk_that_takes_nothing_does_not_keep_the_node_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    crashed(tmp_path)

    def full(*_: object) -> None:
        msg = "outbox: cannot write alerts"
        raise DeliveryError(msg)

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(Outbox, "add", full)
        opened(tmp_path)._outbox.close()
    assert [line["event"] for line in logs] == ["alerts of an earlier run stay open"]
    desk = opened(tmp_path)
    assert desk.alerts(open_only=True) == []
    desk._outbox.close()
