"""The end of a node: who is told, who is refused, and that it comes whatever hangs."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.alerts.broker import EmbeddedBroker
from guard.config import AnalysisSettings, MqttSettings
from guard.core.errors import CapacityError
from guard.core.types import FaceView, VideoFrame
from guard.core.units import Seconds
from guard.session.events import Left, StateChanged, Stopping
from tests.support.calls import ADA, House, house
from tests.support.media import eventually
from tests.support.node import bare_node, bare_settings
from tests.support.scripted import ScriptedFaces

pytestmark = [pytest.mark.media, pytest.mark.peers]

STOPS_WITHIN = 8.0


class StuckFaces(ScriptedFaces):
    """Hangs in its first frame until the test lets it go."""

    gate = threading.Event()

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple[FaceView, ...]:
        assert self.gate.wait(60.0)
        return super().observe(frame, now)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[House]:
    async with house(bare_settings(tmp_path)) as there:
        yield there


async def test_a_draining_node_takes_nobody_in_and_ends_nobody(there: House):
    publisher = there.publisher()
    await publisher.start()
    with there.node.events.listen(lambda event: isinstance(event, Stopping), "test") as listener:
        there.node.drain()
        there.node.drain()
        assert there.node.not_ready() == ("the node is stopping",)
        await eventually(lambda: listener._waiting)
        assert len(listener._waiting) == 1
    with pytest.raises(CapacityError, match="stopping"):
        await there.node.publish("demo", ADA, "v=0")
    with pytest.raises(CapacityError, match="stopping"):
        await there.node.subscribe("demo", "p_1", ADA, "v=0")
    with pytest.raises(CapacityError, match="stopping"):
        await there.node.attach("demo", ADA, "http://elsewhere/whep", "t")
    (before,) = there.people()
    await eventually(lambda: there.people()[0].media.units > before.media.units + 3)
    await publisher.stop()


async def test_a_stopped_node_has_ended_every_call_and_every_stream(there: House):
    publisher = there.publisher()
    await publisher.start()
    with there.node.events.listen(lambda event: not isinstance(event, StateChanged), "test") as listener:
        await asyncio.gather(there.node.stop(), there.node.stop())
        heard = [event async for event in listener.events()]
    stopping, left = heard
    assert isinstance(stopping, Stopping)
    assert isinstance(left, Left)
    assert left.reason == "node_stopped"
    assert there.people() == []
    await publisher.stop()


async def test_a_node_that_never_started_can_be_stopped(tmp_path: Path):
    node = await asyncio.to_thread(bare_node, bare_settings(tmp_path))
    assert not node.started
    await node.stop()


async def test_a_hanging_analysis_does_not_hold_up_the_end(tmp_path: Path):
    StuckFaces.gate.clear()
    patient = {"analysis": AnalysisSettings(stall_after_s=60.0)}
    async with house(bare_settings(tmp_path).model_copy(update=patient), StuckFaces) as there:
        publisher = there.publisher()
        await publisher.start()
        (participant,) = there.node._rooms.participants()
        await eventually(lambda: participant.analysis._current._busy_since)
        began = time.monotonic()
        await there.node.stop()
        assert time.monotonic() - began < STOPS_WITHIN
        assert there.people() == []
        await publisher.stop()
    StuckFaces.gate.set()
    assert await participant.analysis.end(10.0)


async def test_alerts_are_delivered_before_the_end(tmp_path: Path):
    async with EmbeddedBroker() as broker:
        present = {"mqtt": MqttSettings(url=broker.url, node="test")}
        settings = bare_settings(tmp_path).model_copy(update=present)
        async with house(settings, value=0.999) as there:
            publisher = there.publisher()
            await publisher.start()
            await eventually(lambda: there.watch.desk.stats().link.sent)
            await there.node.stop()
            assert there.watch.desk.stats().link.pending == 0
            await publisher.stop()


async def test_a_broker_that_never_answers_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("guard.alerts.mqtt.ANSWER_TIMEOUT", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it never accepts, yet TCP connects
        mute = {"mqtt": MqttSettings(url=f"mqtt://127.0.0.1:{silent.getsockname()[1]}", node="test")}
        async with house(bare_settings(tmp_path).model_copy(update=mute)) as there:
            assert there.node.started
            began = time.monotonic()
            await there.node.stop()
            assert time.monotonic() - began < STOPS_WITHIN


async def test_a_hanging_analysis_is_replaced_in_a_running_call(tmp_path: Path):
    StuckFaces.gate.clear()
    made: list[ScriptedFaces] = []

    def make_faces() -> ScriptedFaces:
        made.append(ScriptedFaces() if made else StuckFaces())
        return made[-1]

    quick = {"analysis": AnalysisSettings(stall_after_s=0.2)}
    async with house(bare_settings(tmp_path).model_copy(update=quick), make_faces) as there:
        publisher = there.publisher()
        await publisher.start()
        await eventually(lambda: there.people()[0].assessment)
        assert len(made) == 2
        assert b"guard_analysis_restarts_total 1.0" in there.node.metrics_page()[0]
        assert there.node.degraded() == ()
        StuckFaces.gate.set()
        await publisher.stop()


async def test_a_participant_given_up_is_told_everywhere(tmp_path: Path):
    StuckFaces.gate.clear()
    hasty = {"analysis": AnalysisSettings(stall_after_s=0.1, restarts=1)}
    async with house(bare_settings(tmp_path).model_copy(update=hasty), StuckFaces) as there:
        publisher = there.publisher()
        await publisher.start()
        await eventually(there.node.degraded)
        (status,) = there.people()
        assert status.degraded
        assert there.node.degraded()[0].startswith(f"{status.id}: its analysis hangs")
        assert there.node.degraded()[0] in there.node.warnings()
        assert b"guard_degraded_participants 1.0" in there.node.metrics_page()[0]
        assert there.node.not_ready() == ()
        StuckFaces.gate.set()
        await publisher.stop()
