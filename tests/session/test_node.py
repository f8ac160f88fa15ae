"""A node with real media on loopback and scripted faces: joining, leaving, and what is left of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest

from guard.alerts.broker import EmbeddedBroker
from guard.alerts.desk import AlertDesk, open_desk
from guard.alerts.lifecycle import AlertKind
from guard.alerts.message import Issuer, parse
from guard.alerts.mqtt import watch
from guard.config import AlertSettings, IceSettings, MediaSettings, MqttSettings, Settings, WebSettings
from guard.core.errors import CapacityError, NotFoundError, SignallingError
from guard.core.types import FaceView, Family, Reason, VideoFrame
from guard.core.units import Seconds
from guard.decision.judge import ParticipantJudge
from guard.media.client import FrameSource, WhepSubscriber, WhipPublisher
from guard.media.encode import VideoEncoder
from guard.session.node import Node
from guard.session.participant import Watch
from guard.session.pipeline import Pipeline
from guard.telemetry.metrics import Metrics
from guard.telemetry.stamps import StageTimes
from guard.web.app import create_app
from guard.web.tokens import TokenIssuer
from tests.support.media import eventually
from tests.support.scripted import ScriptedDetector, ScriptedFaces

pytestmark = pytest.mark.media

ICE = IceSettings(host_addresses=("127.0.0.1",), allow_loopback=True)
PATIENCE = 20.0


class BrokenFaces:
    """Fails as a native library does."""

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple[FaceView, ...]:
        del frame, now
        msg = "no such device"
        raise ValueError(msg)

    def close(self) -> None:
        pass


def drawn_frames() -> Iterator[VideoFrame]:
    """A moving pattern at 20 frames a second, for ever."""
    number = 0
    while True:
        y = np.tile(((np.arange(96) * 2 + number * 3) % 200 + 20).astype(np.uint8), (64, 1))
        half = np.full((32, 48), 128, np.uint8)
        at = number / 20
        yield VideoFrame(y, half, half, at, at, at)
        number += 1


class House:
    """A node behind HTTP without a port, its tokens, and its callers."""

    def __init__(self, node: Node, desk: AlertDesk, metrics: Metrics) -> None:
        self.node = node
        self.desk = desk
        self.metrics = metrics
        self.tokens = TokenIssuer("k" * 48, "call-guard")
        self.http = httpx.ASGITransport(create_app(node, self.tokens, WebSettings()))
        self._token = self.tokens.issue("ada", "demo", now=4e9, publish=True, subscribe=True)

    def publisher(self) -> WhipPublisher:
        source = FrameSource(drawn_frames(), VideoEncoder("vp8", 96, 64, 20, 200_000), time.monotonic)
        url = "http://guard/whip/demo"
        return WhipPublisher(url, self._token, source, clock=time.monotonic, ice=ICE, http=self.http)

    def subscriber(self, url: str | None) -> WhepSubscriber:
        assert url is not None
        return WhepSubscriber(url, self._token, clock=time.monotonic, ice=ICE, http=self.http)

    async def judged(self) -> None:
        """Wait until something was said of somebody."""
        await eventually(lambda: any(p.assessment for room in self.node.rooms() for p in room.participants))


def build(folder: Path, mqtt_url: str, faces: type = ScriptedFaces, value: float = 0.05) -> House:
    settings = Settings(
        ice=ICE,
        mqtt=MqttSettings(url=mqtt_url, node="test"),
        alerts=AlertSettings(outbox_path=folder / "outbox.sqlite3"),
        media=MediaSettings(room_participants=2, room_subscribers=1),
    )
    desk = open_desk(settings.alerts, settings.mqtt, Issuer("test", "0", 0.85), lambda: datetime.now(UTC))  # noqa: TID251 -- an edge
    metrics = Metrics()

    def make_pipeline() -> Pipeline:
        judge = ParticipantJudge(settings.decision)
        return Pipeline(faces, lambda: (ScriptedDetector(value),), judge, time.monotonic)

    shared = Watch(settings.media, ICE, 8.0, make_pipeline, desk, metrics, StageTimes(), time.monotonic)
    return House(Node(settings, shared, ()), desk, metrics)


@pytest.fixture
async def broker() -> AsyncIterator[EmbeddedBroker]:
    async with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture
async def house(tmp_path: Path, broker: EmbeddedBroker) -> AsyncIterator[House]:
    house = await asyncio.to_thread(build, tmp_path, broker.url)
    await house.node.start()
    yield house
    await house.node.stop()


def nothing_left(house: House) -> bool:
    return not list(house.node.rooms()) and not house.node._sessions


async def test_a_call_goes_through_and_leaves_nothing(house: House) -> None:
    publisher = house.publisher()
    await publisher.start()
    subscriber = house.subscriber(publisher.watch_url)
    await subscriber.start()
    await house.judged()
    await eventually(lambda: subscriber.stats().units >= 5)
    (room,) = house.node.rooms()
    assert (room.id, len(room.participants), room.subscribers) == ("demo", 1, 1)
    assert room.participants[0].name == "ada"
    await subscriber.stop()
    await publisher.stop()
    assert nothing_left(house)
    assert house.metrics.registry.get_sample_value("guard_frames_total", {"result": "judged"})


async def test_a_subscriber_whose_publisher_leaves_is_forgotten(house: House) -> None:
    publisher = house.publisher()
    await publisher.start()
    subscriber = house.subscriber(publisher.watch_url)
    await subscriber.start()
    await publisher.stop()
    assert nothing_left(house)
    await subscriber.stop()


@pytest.mark.parametrize("offer", ["", "v=0", "nonsense"])
async def test_a_refused_offer_leaves_nothing(house: House, offer: str) -> None:
    with pytest.raises(SignallingError):
        await house.node.publish("demo", "ada", "ada", offer)
    assert nothing_left(house)


async def test_limits_are_told(house: House) -> None:
    publishers = [house.publisher() for _ in range(3)]
    for publisher in publishers[:2]:
        await publisher.start()
    with pytest.raises(CapacityError, match="publishers in this room"):
        await publishers[2].start()
    first = house.subscriber(publishers[0].watch_url)
    await first.start()
    with pytest.raises(CapacityError, match="subscribers in this room"):
        await house.subscriber(publishers[0].watch_url).start()
    await first.stop()
    for publisher in publishers:
        await publisher.stop()
    assert nothing_left(house)


async def test_a_stopped_node_takes_nobody_in(house: House) -> None:
    publisher = house.publisher()
    await publisher.start()
    await house.node.stop()
    assert nothing_left(house)
    with pytest.raises(CapacityError, match="stopping"):
        await house.node.publish("demo", "ada", "ada", "v=0")
    with pytest.raises(CapacityError, match="stopping"):
        await house.node.subscribe("demo", "p_1", "ada", "v=0")
    await publisher.stop()


async def test_an_unknown_session_is_told(house: House) -> None:
    with pytest.raises(NotFoundError):
        await house.node.leave("0")


async def test_a_name_that_is_no_text_breaks_nothing(house: House) -> None:
    publisher = house.publisher()
    publisher._connection._resource._headers["Authorization"] = "Bearer " + house.tokens.issue(
        "half an emoji \ud83d and \x00\x1b[2J", "demo", now=4e9, publish=True
    )
    await publisher.start()
    admin = {"Authorization": "Bearer " + house.tokens.issue("root", "demo", now=4e9, admin=True)}
    async with httpx.AsyncClient(transport=house.http, base_url="http://guard") as client:
        response = await client.get("/v1/rooms", headers=admin)
    assert response.status_code == 200
    assert response.json()[0]["participants"][0]["name"].isprintable()
    await publisher.stop()


async def test_a_broken_face_library_is_no_silence(tmp_path: Path, broker: EmbeddedBroker) -> None:
    house = await asyncio.to_thread(build, tmp_path, broker.url, BrokenFaces)
    await house.node.start()
    publisher = house.publisher()
    await publisher.start()
    await house.judged()
    (room,) = house.node.rooms()
    assessment = room.participants[0].assessment
    assert assessment is not None
    assert Reason.ANALYSIS_TROUBLE in assessment.reasons
    await publisher.stop()
    await house.node.stop()


async def test_alerts_wait_on_disk_while_the_broker_is_away_and_calls_go_on(tmp_path: Path) -> None:
    async with EmbeddedBroker() as broker:
        port = broker.port
    house = await asyncio.to_thread(build, tmp_path, f"mqtt://127.0.0.1:{port}", value=0.999)
    await house.node.start()
    publisher = house.publisher()
    await publisher.start()
    subscriber = house.subscriber(publisher.watch_url)
    await subscriber.start()
    await eventually(lambda: house.desk.stats().link.pending)
    relayed = subscriber.stats().units
    await eventually(lambda: subscriber.stats().units >= relayed + 5)
    assert house.node.not_ready() == ()
    async with EmbeddedBroker(port=port) as broker:
        first = await first_alert(broker)
    assert first == (AlertKind.RAISED, Family.MANIPULATION, "ada")
    await subscriber.stop()
    await publisher.stop()
    await house.node.stop()


async def first_alert(broker: EmbeddedBroker) -> tuple[AlertKind, Family, str]:
    settings = MqttSettings(url=broker.url)
    async with asyncio.timeout(PATIENCE), aclosing(watch(settings, ["guard/v1/test/active/+"])) as messages:
        async for message in messages:
            if message.payload:
                alert = parse(message.payload)
                return alert.kind, alert.family, alert.display_name
    raise AssertionError
