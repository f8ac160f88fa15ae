"""The link against real brokers: amqtt inside the process, mosquitto beside it."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from guard.alerts.broker import EmbeddedBroker
from guard.alerts.desk import AlertDesk, Birth, StatePayload, open_desk
from guard.alerts.lifecycle import AlertKind, Participant
from guard.alerts.message import parse
from guard.config.settings import AlertSettings, MqttSettings
from guard.core.types import Assessment, Family, State, Transition
from tests.support.alerts import (
    ISSUER,
    NODE,
    PATIENCE_S,
    WHO,
    WallTime,
    clearing,
    free_port,
    mosquitto,
    raising,
    updating,
    watching,
)
from tests.support.media import eventually

pytestmark = [pytest.mark.media, pytest.mark.peers]

STATUS = f"guard/v1/{NODE}/status"
STATE = f"guard/v1/{NODE}/session/demo-1/p/p-7/state"


class Node:
    """A desk with its link running, called as the analysis threads do."""

    def __init__(self, desk: AlertDesk, wall: WallTime) -> None:
        self.desk = desk
        self.wall = wall
        self.link = asyncio.create_task(desk.link.run())

    async def submit(self, *steps: Transition, who: Participant = WHO) -> None:
        for step in steps:
            await asyncio.to_thread(self.desk.submit, who, step)

    async def tell(self, at: float, state: State) -> None:
        await asyncio.to_thread(self.desk.set_state, WHO, Assessment(at, 0.2, 0.8, state, 1.0))


@asynccontextmanager
async def node(url: str, folder: Path) -> AsyncIterator[Node]:
    settings = AlertSettings(outbox_path=folder / "outbox.sqlite3")
    wall = WallTime()
    desk = await asyncio.to_thread(open_desk, settings, MqttSettings(url=url), ISSUER, wall)
    desk.link._back_off._jitter = lambda: 0.1
    made = Node(desk, wall)
    try:
        yield made
    finally:
        await desk.close(PATIENCE_S)
        await made.link


@pytest.fixture
async def embedded() -> AsyncIterator[EmbeddedBroker]:
    async with EmbeddedBroker() as broker:
        yield broker


async def lives_through_an_alert(url: str, folder: Path) -> None:
    """Raise, update, clear: in order, one id, then nothing active."""
    async with watching(MqttSettings(url=url)) as watcher, node(url, folder) as guard:
        await guard.submit(raising(0.0), updating(6.0, severity=4), clearing(30.0))
        await watcher.until(lambda: len(watcher.alerts()) == 3)
        alerts = watcher.alerts()
        active = f"guard/v1/{NODE}/active/{alerts[0].alert_id}"
        await watcher.until(lambda: watcher.at(active)[-1:] == [b""])
    assert [alert.kind for alert in alerts] == [AlertKind.RAISED, AlertKind.UPDATED, AlertKind.CLEARED]
    assert [alert.seq for alert in alerts] == [1, 2, 3]
    assert len({alert.alert_id for alert in alerts}) == 1
    assert watcher.at(STATUS) == [b"online", b"offline"]
    (birth,) = watcher.at(f"guard/v1/{NODE}/birth")
    assert Birth.model_validate_json(birth).raise_at == 0.85


async def test_an_alert_lives_on_the_embedded_broker(embedded: EmbeddedBroker, tmp_path: Path):
    await lives_through_an_alert(embedded.url, tmp_path)


async def test_an_alert_lives_on_mosquitto(tmp_path: Path):
    async with mosquitto(tmp_path) as broker:
        await lives_through_an_alert(broker.url, tmp_path)


async def test_mqtt_5_is_spoken_where_it_is_understood_and_3_1_1_elsewhere(
    embedded: EmbeddedBroker, tmp_path: Path
):
    async with mosquitto(tmp_path) as broker:
        for url, protocol in ((broker.url, "V5"), (embedded.url, "V311")):
            async with watching(MqttSettings(url=url), STATUS) as watcher, node(url, tmp_path) as guard:
                await watcher.until(lambda seen=watcher: b"online" in seen.at(STATUS))  # type: ignore[misc]  # bound now
                assert guard.desk.stats().link.protocol == protocol


async def test_a_late_subscriber_finds_state_and_open_alerts(embedded: EmbeddedBroker, tmp_path: Path):
    async with node(embedded.url, tmp_path) as guard:
        await guard.submit(raising(0.0), raising(0.0, Family.PRESENTATION), clearing(20.0))
        await guard.tell(20.0, State.SUSPICIOUS)
        async with watching(MqttSettings(url=embedded.url), STATE) as early:
            await early.until(lambda: bool(early.at(STATE)))
        async with watching(MqttSettings(url=embedded.url)) as late:
            await late.until(lambda: any("/active/" in one.topic and one.payload for one in late.messages))
            (active,) = [one for one in late.messages if "/active/" in one.topic and one.payload]
            assert active.retained
            assert parse(active.payload).family is Family.PRESENTATION
            state = StatePayload.model_validate_json(late.at(STATE)[0])
            assert state.alerts == (parse(active.payload).alert_id,)
            assert late.alerts() == []


async def test_who_leaves_is_gone_from_the_retained_topics(embedded: EmbeddedBroker, tmp_path: Path):
    async with watching(MqttSettings(url=embedded.url)) as watcher, node(embedded.url, tmp_path) as guard:
        await guard.submit(raising(0.0))
        await guard.tell(1.0, State.ATTACK)
        await watcher.until(lambda: bool(watcher.at(STATE)))
        await asyncio.to_thread(guard.desk.participant_left, WHO, 5.0)
        await watcher.until(lambda: watcher.at(STATE)[-1:] == [b""] and len(watcher.alerts()) == 2)
        async with watching(MqttSettings(url=embedded.url), "guard/#") as late:
            await late.until(lambda: bool(late.at(STATUS)))
            assert {one.topic for one in late.messages if one.payload} <= {
                STATUS,
                f"guard/v1/{NODE}/birth",
            }


async def test_alerts_made_while_the_broker_is_away_arrive_once_it_is_there(tmp_path: Path):
    port = free_port()
    url = f"mqtt://127.0.0.1:{port}"
    async with node(url, tmp_path) as guard:
        await guard.submit(raising(0.0), clearing(30.0))
        assert guard.desk.stats().link.pending == 2
        assert not guard.desk.stats().link.connected
        async with (
            EmbeddedBroker(port=port),
            watching(MqttSettings(url=url), "guard/v1/+/active/+", STATUS) as watcher,
        ):
            await guard.submit(raising(200.0))
            await watcher.until(
                lambda: any(one.payload and "active" in one.topic for one in watcher.messages)
            )
            await guard.desk.close(PATIENCE_S)
            assert guard.desk.stats().link.pending == 0


async def test_every_committed_alert_arrives_though_the_broker_is_killed(tmp_path: Path):
    broker_folder = tmp_path / "mosquitto"
    broker_folder.mkdir()
    async with mosquitto(broker_folder) as broker:
        settings, wanted = MqttSettings(url=broker.url), {f"p-{number}" for number in range(30)}
        # make both sessions known and have them written to disk: a killed broker comes back with them
        async with watching(settings, identifier="soc") as watcher, node(broker.url, tmp_path):
            await watcher.until(lambda: b"online" in watcher.at(STATUS))
        await broker.end(signal.SIGTERM)
        await broker.start()
        async with node(broker.url, tmp_path) as guard:
            for number in range(10):
                await guard.submit(raising(0.0), who=Participant("demo-1", f"p-{number}"))
            async with watching(settings, f"guard/v1/{NODE}/active/+") as watcher:
                await watcher.until(lambda: len(watcher.messages) == 10)
            await eventually(lambda: guard.desk.stats().link.pending == 0)  # acknowledged, from memory
            guard.wall.turn(600.0)
            await broker.end(signal.SIGKILL)
            for number in range(10, 20):
                await guard.submit(raising(0.0), who=Participant("demo-1", f"p-{number}"))
            await broker.start()
            for number in range(20, 30):
                await guard.submit(raising(0.0), who=Participant("demo-1", f"p-{number}"))
            async with watching(settings, identifier="soc") as watcher:
                await watcher.until(lambda: {one.participant_id for one in watcher.alerts()} == wanted)


async def test_a_broker_that_forgot_everything_is_told_again(tmp_path: Path):
    port = free_port()
    url = f"mqtt://127.0.0.1:{port}"
    broker = EmbeddedBroker(port=port)
    await broker.start()
    async with node(url, tmp_path) as guard:
        await guard.submit(raising(0.0))
        await guard.tell(0.0, State.ATTACK)
        async with watching(MqttSettings(url=url), STATE) as watcher:
            await watcher.until(lambda: bool(watcher.at(STATE)))
        await broker.stop()
        await broker.start()
        async with watching(MqttSettings(url=url)) as late:
            await late.until(
                lambda: bool(late.at(STATE)) and any("/active/" in m.topic for m in late.messages)
            )
        assert guard.desk.stats().link.connections == 2
    await broker.stop()


async def test_what_the_access_list_forbids_waits_and_is_not_taken_for_delivered(tmp_path: Path):
    (tmp_path / "acl").write_text(f"topic readwrite {STATUS}\ntopic readwrite guard/v1/{NODE}/birth\n")
    async with (
        mosquitto(tmp_path, extra=f"acl_file {tmp_path}/acl\n") as broker,
        watching(MqttSettings(url=broker.url), STATUS) as watcher,
        node(broker.url, tmp_path) as guard,
    ):
        await watcher.until(lambda: b"online" in watcher.at(STATUS))
        await guard.submit(raising(0.0))
        await watcher.until(lambda: watcher.at(STATUS).count(b"online") >= 2)
        assert guard.desk.stats().link.pending == 1
        assert guard.desk.stats().link.sent == 0


NODE_PROCESS = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from guard.alerts.desk import open_desk
from guard.config.settings import AlertSettings, MqttSettings
from tests.support.alerts import ISSUER, WHO, raising
alerts, mqtt = AlertSettings(outbox_path=Path(sys.argv[2])), MqttSettings(url=sys.argv[1])
desk = open_desk(alerts, mqtt, ISSUER, lambda: datetime.now(UTC))
desk.submit(WHO, raising(0.0))
asyncio.run(desk.link.run())
"""


async def test_the_last_will_of_a_killed_node_says_offline_and_its_alert_stays(
    embedded: EmbeddedBroker, tmp_path: Path
):
    async with watching(MqttSettings(url=embedded.url)) as watcher:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            NODE_PROCESS,
            embedded.url,
            str(tmp_path / "outbox.sqlite3"),
            cwd=Path(__file__).parents[2],
        )
        await watcher.until(lambda: len(watcher.alerts()) == 1)
        process.kill()
        await process.wait()
        await watcher.until(lambda: watcher.at(STATUS) == [b"online", b"offline"])
        async with watching(MqttSettings(url=embedded.url), STATUS) as late:
            await late.until(lambda: late.at(STATUS) == [b"offline"])
