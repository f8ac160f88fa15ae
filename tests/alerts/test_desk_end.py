"""The alert desk when people leave and when it closes: few waits for the disk, and bounded ones."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import structlog

from guard.alerts.desk import AlertDesk, open_desk
from guard.alerts.lifecycle import AlertKind, Participant
from guard.alerts.outbox import Letter
from guard.config.settings import AlertSettings, MqttSettings
from guard.core.errors import DeliveryError
from tests.support.alerts import ISSUER, WHO, WallTime, raising

pytestmark = pytest.mark.unit


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[AlertDesk]:
    settings = AlertSettings(outbox_path=tmp_path / "outbox.sqlite3")
    made = await asyncio.to_thread(open_desk, settings, MqttSettings(), ISSUER, WallTime())
    yield made
    await asyncio.to_thread(made._outbox.close)


async def test_all_who_leave_together_cost_one_transaction(desk: AlertDesk, monkeypatch: pytest.MonkeyPatch):
    people = [Participant("demo-1", f"p-{number}") for number in range(8)]
    for one in people:
        await asyncio.to_thread(desk.submit, one, raising(1.0))
    added: list[int] = []
    add = desk._outbox.add

    def note(letters: Sequence[Letter]) -> None:
        added.append(len(letters))
        add(letters)

    monkeypatch.setattr(desk._outbox, "add", note)
    events = await asyncio.to_thread(desk.participants_left, people, 2.0)
    assert added == [8]
    assert [event.participant for event in events] == people
    assert {event.kind for event in events} == {AlertKind.CLEARED}


def refuse(_letters: Sequence[Letter]) -> None:
    msg = "outbox: the disk is full"
    raise DeliveryError(msg)


async def test_what_is_held_is_written_at_the_end(desk: AlertDesk, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(desk._outbox, "add", refuse)
        await asyncio.to_thread(desk.submit, WHO, raising(1.0))
        assert desk.stats().held == 1
    await desk.close()
    assert desk.stats().held == 0


async def test_what_the_disk_does_not_take_at_the_end_is_told(
    desk: AlertDesk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(desk._outbox, "add", refuse)
    await asyncio.to_thread(desk.submit, WHO, raising(1.0))
    with structlog.testing.capture_logs() as logs:
        await desk.close()
    assert (logs[-1]["event"], logs[-1]["held"]) == ("alerts are lost with the end", 1)


async def test_a_disk_that_does_not_answer_does_not_hold_up_the_end(
    desk: AlertDesk, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("guard.alerts.desk.CLOSING", 0.05)
    with structlog.testing.capture_logs() as logs, desk._outbox._lock:
        assert await desk.close(0.05) is False
    assert [log["event"] for log in logs] == ["outbox cannot be closed, a thread waits for its disk"]
