"""A node with real media on loopback and scripted faces: joining, leaving, and what is left of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guard.alerts.broker import EmbeddedBroker
from guard.alerts.lifecycle import AlertKind
from guard.alerts.message import parse
from guard.alerts.mqtt import watch
from guard.config import MediaSettings, MqttSettings, Settings
from guard.core.errors import CapacityError, NotFoundError, SignallingError
from guard.core.types import FaceView, Family, Reason, VideoFrame
from guard.core.units import Seconds
from guard.session.events import AlertTold, Event, Joined, Left, StateChanged
from guard.session.visitor import Visitor
from tests.support.alerts import WallTime
from tests.support.calls import ADA, House, house
from tests.support.media import eventually
from tests.support.node import bare_settings

pytestmark = [pytest.mark.media, pytest.mark.peers]

PATIENCE = 20.0


class BrokenFaces:
    """Fails as a native library does."""

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple[FaceView, ...]:
        del frame, now
        msg = "no such device"
        raise ValueError(msg)

    def close(self) -> None:
        pass


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    limits = MediaSettings(room_participants=2, room_subscribers=1)
    return bare_settings(tmp_path).model_copy(update={"media": limits})


@pytest.fixture
async def there(settings: Settings) -> AsyncIterator[House]:
    async with house(settings) as there:
        yield there


def nothing_left(there: House) -> bool:
    return not there.people() and not there.node._rooms.sessions()


async def test_a_call_goes_through_and_leaves_nothing(there: House):
    publisher = there.publisher()
    await publisher.start()
    subscriber = there.subscriber(publisher.watch_url)
    await subscriber.start()
    await there.judged()
    await eventually(lambda: subscriber.stats().units >= 5)
    room = there.node.room("demo")
    assert (room.id, len(room.participants), room.subscribers) == ("demo", 1, 1)
    assert room.participants[0].name == "ada"
    assert there.node.find_room("demo") == room
    await subscriber.stop()
    await publisher.stop()
    assert nothing_left(there)
    assert b'guard_frames_total{result="judged"}' in there.node.metrics_page()[0]
    assert there.node.find_room("demo") is None
    with pytest.raises(NotFoundError, match="found none"):
        there.node.room("demo")


async def test_what_a_visitor_said_is_in_their_status(there: House):
    shown = datetime(2025, 12, 31, 23, 59, tzinfo=UTC)
    publisher = there.publisher(Visitor("Ada \x1b[2J", "ada", None, "Camera", shown))
    await publisher.start()
    (status,) = there.people()
    assert (status.owner, status.device_label, status.notice_shown_at) == ("ada", "Camera", shown)
    assert status.joined_at == there.watch.wall()
    assert status.name.isprintable()
    assert not status.degraded
    await publisher.stop()


async def test_a_subscriber_whose_publisher_leaves_is_forgotten(there: House):
    publisher = there.publisher()
    await publisher.start()
    subscriber = there.subscriber(publisher.watch_url)
    await subscriber.start()
    await publisher.stop()
    assert nothing_left(there)
    await subscriber.stop()


@pytest.mark.parametrize("offer", ["", "v=0", "nonsense"])
async def test_a_refused_offer_leaves_nothing(there: House, offer: str):
    with pytest.raises(SignallingError):
        await there.node.publish("demo", ADA, offer)
    assert nothing_left(there)
    assert b'guard_refused_total{reason="offer"} 1.0' in there.node.metrics_page()[0]


async def test_limits_of_a_room_are_told(there: House):
    publishers = [there.publisher() for _ in range(3)]
    for publisher in publishers[:2]:
        await publisher.start()
    with pytest.raises(CapacityError, match="publishers in this room"):
        await publishers[2].start()
    first = there.subscriber(publishers[0].watch_url)
    await first.start()
    with pytest.raises(CapacityError, match="subscribers in this room"):
        await there.subscriber(publishers[0].watch_url).start()
    await first.stop()
    for publisher in publishers:
        await publisher.stop()
    assert nothing_left(there)


async def test_limits_of_a_person_in_a_room_are_told(tmp_path: Path):
    limits = {"media": MediaSettings(person_publications=1, person_subscriptions=1)}
    bob = Visitor("bob", "bob")
    async with house(bare_settings(tmp_path).model_copy(update=limits)) as there:
        publisher, other = there.publisher(), there.publisher(bob)
        await publisher.start()
        with pytest.raises(CapacityError, match=r"publishers of yours in this room: .*than 1.*end one first"):
            await there.publisher().start()
        await other.start()
        subscriber = there.subscriber(publisher.watch_url)
        await subscriber.start()
        with pytest.raises(CapacityError, match=r"subscribers of yours in this room: .* than 1"):
            await there.subscriber(other.watch_url).start()
        another = there.subscriber(publisher.watch_url, bob)
        await another.start()
        await subscriber.stop()
        again = there.subscriber(other.watch_url)
        await again.start()
        for client in (again, another, publisher, other):
            await client.stop()
        assert b'guard_refused_total{reason="capacity"} 2.0' in there.node.metrics_page()[0]


async def test_sixteen_people_who_watch_one_another_find_room():
    limits = MediaSettings()
    pairs = limits.room_participants * (limits.room_participants - 1)
    assert pairs <= limits.room_subscribers
    assert limits.room_participants + pairs <= limits.sessions


async def test_sessions_are_limited_on_the_whole_node(tmp_path: Path):
    limits = {"media": MediaSettings(sessions=1)}
    async with house(bare_settings(tmp_path).model_copy(update=limits)) as there:
        publisher = there.publisher()
        await publisher.start()
        with pytest.raises(CapacityError, match="sessions on this node"):
            await there.subscriber(publisher.watch_url).start()
        with pytest.raises(CapacityError, match="sessions on this node"):
            await there.node.publish("other", ADA, "v=0")
        await publisher.stop()


async def test_sessions_end_when_their_tokens_do(settings: Settings):
    clock = WallTime()
    until = (clock.now + timedelta(hours=1)).timestamp()
    async with house(settings, wall=clock) as there:
        publisher, other = there.publisher(), there.publisher(Visitor("bob", "bob", until))
        await publisher.start()
        await other.start()
        subscriber = there.subscriber(publisher.watch_url, Visitor("eve", "eve", until))
        await subscriber.start()
        with there.node.events.listen(lambda event: isinstance(event, Left), "test") as listener:
            clock.turn(3600)
            await asyncio.gather(other.gone.wait(), subscriber.ended.wait())
            async with aclosing(listener.events()) as events:
                left = await anext(events)
        assert isinstance(left, Left)
        assert left.reason == "token_expired"
        assert [status.owner for status in there.people()] == ["ada"]
        assert there.node.room("demo").subscribers == 0
        for client in (subscriber, other, publisher):
            await client.stop()


async def test_an_unknown_session_is_told(there: House):
    with pytest.raises(NotFoundError):
        await there.node.leave("0")


async def test_listeners_hear_a_call_from_its_beginning_to_its_end(settings: Settings):
    async with house(settings, value=0.999) as there:
        with there.node.events.listen(lambda _: True, "test") as listener:
            publisher = there.publisher()
            await publisher.start()
            await eventually(lambda: there.watch.desk.stats().link.pending)
            await publisher.stop()
            there.node.events.close()
            heard = [event async for event in listener.events()]
    check_story(heard)


def check_story(heard: list[Event]) -> None:
    first, *between, last = heard
    assert isinstance(first, Joined)
    assert isinstance(last, Left)
    assert (last.participant_id, last.reason) == (first.participant.id, "left")
    states = [event for event in between if isinstance(event, StateChanged)]
    assert {first.room, last.room, *(event.room for event in states)} == {"demo"}
    assert {event.participant.id for event in states} == {first.participant.id}
    assert all(event.participant.assessment for event in states)
    told = [event.alert for event in between if isinstance(event, AlertTold)]
    assert [(alert.kind, alert.seq) for alert in (told[0], told[-1])] == [
        (AlertKind.RAISED, 1),
        (AlertKind.CLEARED, told[-1].seq),
    ]
    assert told[0].display_name == "ada"


async def test_what_operators_do_with_an_alert_is_heard(settings: Settings):
    async with house(settings, value=0.999) as there:
        publisher = there.publisher()
        await publisher.start()
        await eventually(lambda: there.watch.desk.stats().link.pending)
        (alert,) = await there.node.alerts(open_only=True)
        with there.node.events.listen(lambda event: isinstance(event, AlertTold), "test") as listener:
            record = await there.node.acknowledge(alert.id, "root", "on it")
            assert record.acknowledged_by == "root"
            record = await there.node.suppress(alert.id, "root", "known", 5.0)
            assert record.suppressed_until is not None
            async with aclosing(listener.events()) as events:
                heard = [await anext(events) for _ in range(2)]
            assert [event.alert.alert_id for event in heard if isinstance(event, AlertTold)] == [alert.id] * 2
        await publisher.stop()


async def test_a_broken_face_library_is_no_silence(settings: Settings):
    async with house(settings, BrokenFaces) as there:
        publisher = there.publisher()
        await publisher.start()
        await there.judged()
        (status,) = there.people()
        assert status.assessment is not None
        assert Reason.ANALYSIS_TROUBLE in status.assessment.reasons
        await publisher.stop()


async def test_alerts_wait_on_disk_while_the_broker_is_away_and_calls_go_on(settings: Settings):
    async with EmbeddedBroker() as broker:
        port = broker.port
    away = {"mqtt": MqttSettings(url=f"mqtt://127.0.0.1:{port}", node="test")}
    async with house(settings.model_copy(update=away), value=0.999) as there:
        publisher = there.publisher()
        await publisher.start()
        subscriber = there.subscriber(publisher.watch_url)
        await subscriber.start()
        await eventually(lambda: there.watch.desk.stats().link.pending)
        relayed = subscriber.stats().units
        await eventually(lambda: subscriber.stats().units >= relayed + 5)
        assert there.node.not_ready() == ()
        await eventually(lambda: "alerts wait in the outbox" in "".join(there.node.warnings()))
        async with EmbeddedBroker(port=port) as broker:
            first = await first_alert(broker)
            await eventually(lambda: not there.node.warnings())
        assert first == (AlertKind.RAISED, Family.MANIPULATION, "ada")
        await subscriber.stop()
        await publisher.stop()


async def first_alert(broker: EmbeddedBroker) -> tuple[AlertKind, Family, str]:
    settings = MqttSettings(url=broker.url)
    async with asyncio.timeout(PATIENCE), aclosing(watch(settings, ["guard/v1/test/active/+"])) as messages:
        async for message in messages:
            if message.payload:
                alert = parse(message.payload)
                return alert.kind, alert.family, alert.display_name
    raise AssertionError
