import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count, repeat
from pathlib import Path

import pytest
import structlog

from guard.alerts.board import Board, Note
from guard.alerts.desk import AlertDesk, StatePayload, open_desk
from guard.alerts.lifecycle import AlertBook, AlertKind, Participant
from guard.alerts.link import MqttLink
from guard.alerts.message import parse
from guard.alerts.outbox import Outbox
from guard.alerts.record import record_of
from guard.config.settings import AlertSettings, MqttSettings
from guard.core.errors import ConfigError, DeliveryError, NotFoundError, SignallingError
from guard.core.types import Assessment, Family, Reason, State, TransitionKind
from guard.flow.tasks import Restart, Tasks
from tests.support.alerts import (
    ISSUER,
    WHO,
    BrokerInMemory,
    WallTime,
    clearing,
    raising,
    transition,
    updating,
)

pytestmark = pytest.mark.unit

STATE_TOPIC = "guard/v1/node-1/session/demo-1/p/p-7/state"
STATUS_TOPIC = "guard/v1/node-1/status"
SCORE_TOPIC = "guard/v1/node-1/session/demo-1/p/p-7/score"


class Office:
    """A desk whose link does not run: what it would send can be looked at."""

    def __init__(self, path: Path) -> None:
        self.outbox, self.board, self.wall = Outbox(path), Board(), WallTime()
        ids = count(1)
        link = MqttLink(
            MqttSettings(), self.outbox, self.board, b"{}", retain_for=timedelta(hours=24), wall=self.wall
        )
        self.desk = AlertDesk(
            book=AlertBook(AlertSettings(), lambda _: f"alert-{next(ids)}"),
            outbox=self.outbox,
            board=self.board,
            link=link,
            issuer=ISSUER,
            wall=self.wall,
        )

    def notes(self) -> list[Note]:
        found = []
        while note := self.board.next():
            self.board.sent(note)
            found.append(note)
        return found

    def limit_disk(self) -> None:
        (pages,) = self.outbox._connection.execute("PRAGMA page_count").fetchone()
        self.outbox._connection.execute(f"PRAGMA max_page_count = {pages + 8}")

    def free_disk(self) -> None:
        self.outbox._connection.execute("PRAGMA max_page_count = 100000")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path / "outbox.sqlite3")
    yield made
    made.outbox.close()


def assessment(at: float, state: State = State.BONA_FIDE, *reasons: Reason) -> Assessment:
    return Assessment(at, 0.1, 0.9, state, 1.0, reasons)


def test_an_event_is_in_the_outbox_when_submit_returns(office: Office):
    (event,) = office.desk.submit(WHO, raising(1.0))
    (row,) = office.outbox.pending(10)
    assert parse(row.payload).message_id == event.message_id
    assert office.desk.stats().link.pending == 1


def test_what_is_no_news_is_not_written(office: Office):
    office.desk.submit(WHO, raising(1.0))
    assert office.desk.submit(WHO, updating(2.0)) == ()
    assert office.outbox.count_pending() == 1


def test_a_clear_closes(office: Office):
    office.desk.submit(WHO, raising(1.0))
    office.desk.submit(WHO, clearing(30.0))
    assert [row.closes for row in office.outbox.pending(10)] == [False, True]


def test_the_state_goes_out_on_change_and_every_five_seconds(office: Office):
    for step in range(100):
        office.desk.set_state(WHO, assessment(step / 8))
    # newest wins: what matters is how often one is put up
    office.notes()
    office.desk.set_state(WHO, assessment(12.6))
    assert [note.topic for note in office.notes()] == []
    office.desk.set_state(WHO, assessment(12.7, State.SUSPICIOUS))
    assert [note.topic for note in office.notes()] == [STATE_TOPIC]
    office.desk.set_state(WHO, assessment(17.8, State.SUSPICIOUS))
    assert [note.topic for note in office.notes()] == [STATE_TOPIC, SCORE_TOPIC]


def test_the_score_goes_out_once_a_second_and_is_not_kept(office: Office):
    scores = []
    for step in range(80):
        office.desk.set_state(WHO, assessment(step / 8))
        scores += [note for note in office.notes() if note.topic == SCORE_TOPIC]
    assert len(scores) == 10
    assert {(note.qos, note.retain) for note in scores} == {(0, False)}


def test_the_state_names_the_open_alerts(office: Office):
    office.desk.submit(WHO, raising(1.0))
    office.desk.set_state(WHO, assessment(1.0, State.ATTACK, Reason.LEARNED_SCORE))
    state = StatePayload.model_validate_json(office.notes()[0].payload)
    assert state.alerts == ("alert-1",)
    assert (state.state, state.reasons, state.display_name) == (State.ATTACK, ("learned_score",), "Ada")


def test_whom_nobody_could_judge_has_no_score(office: Office):
    for state, score in ((State.INSUFFICIENT, None), (State.BONA_FIDE, 0.9)):
        office.desk.set_state(WHO, assessment(1.0, state))
        told = [StatePayload.model_validate_json(note.payload) for note in office.notes()]
        assert {one.liveness for one in told} == {score}
        assert {one.deepfake is None for one in told} == {score is None}


def test_who_leaves_empties_their_state_and_closes_their_alerts(office: Office):
    office.desk.submit(WHO, raising(1.0))
    office.desk.set_state(WHO, assessment(1.0))
    (event,) = office.desk.participant_left(WHO, 5.0)
    assert event.kind is AlertKind.CLEARED
    assert [note.payload for note in office.notes() if note.topic == STATE_TOPIC] == [b""]
    assert [row.closes for row in office.outbox.pending(10)] == [False, True]


def test_what_the_disk_does_not_take_is_held_and_written_later_in_order(office: Office):
    office.limit_disk()
    taken = 0
    while not office.desk.stats().held:
        office.desk.submit(WHO, raising(1.0 + taken * 200))
        office.desk.submit(WHO, clearing(50.0 + taken * 200))
        taken += 1
    assert office.desk.stats().held <= 2
    office.free_disk()
    office.desk.flush()
    assert office.desk.stats().held == 0
    ids = [parse(row.payload).message_id for row in office.outbox.pending(1000)]
    assert ids == [f"alert-{alert}.{seq}" for alert in range(1, taken + 1) for seq in (1, 2)]


def test_memory_is_bounded_and_what_is_lost_is_counted(office: Office, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.alerts.desk.MOST_HELD", 3)
    office.outbox.close()
    for number in range(5):
        office.desk.submit(WHO, raising(100.0 * number))
        office.desk.submit(WHO, clearing(100.0 * number + 20))
    stats = office.desk.stats()
    assert (stats.held, stats.lost) == (3, 7)


def test_a_verdict_that_comes_after_they_left_opens_nothing(office: Office):
    office.desk.participant_left(WHO, 5.0)
    assert office.desk.submit(WHO, raising(5.1)) == ()
    office.desk.set_state(WHO, assessment(5.1, State.ATTACK))
    assert office.outbox.count_pending() == 0
    assert [note.payload for note in office.notes()] == [b""]
    assert office.desk.submit(Participant("demo-1", "p-8"), raising(5.2)) != ()


def test_no_state_is_put_up_after_the_topic_was_emptied(office: Office, monkeypatch: pytest.MonkeyPatch):
    leaving = threading.Thread(target=office.desk.participant_left, args=(WHO, 1.0))
    post = office.board.post

    def post_late(note: Note) -> None:
        if leaving.ident is None:
            leaving.start()
            leaving.join(0.05)  # held off by the desk; it would have ended by now
        post(note)

    monkeypatch.setattr(office.board, "post", post_late)
    office.desk.set_state(WHO, assessment(1.0))
    leaving.join()
    assert [note.payload for note in office.notes() if note.topic == STATE_TOPIC] == [b""]


def test_who_left_is_remembered_within_bounds_the_newest_longest(
    office: Office, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("guard.alerts.desk.MOST_LEFT", 3)
    people = [Participant("demo-1", f"p-{number}") for number in range(5)]
    for who in people:
        office.desk.participant_left(who, 1.0)
    heard = [bool(office.desk.submit(who, raising(2.0))) for who in people]
    assert heard == [True, True, False, False, False]


def test_alerts_are_listed_by_their_newest_message(office: Office):
    office.desk.submit(WHO, raising(1.0))
    office.desk.submit(WHO, raising(2.0, Family.PRESENTATION))
    office.desk.submit(WHO, updating(8.0, severity=4))
    found = office.desk.alerts()
    assert [(one.id, one.severity, one.status) for one in found] == [
        ("alert-1", 4, "open"),
        ("alert-2", 3, "open"),
    ]
    assert [one.id for one in office.desk.alerts(1)] == ["alert-1"]


def test_open_alerts_can_be_listed_alone(office: Office):
    office.desk.submit(WHO, raising(1.0))
    office.desk.submit(WHO, raising(2.0, Family.PRESENTATION))
    office.desk.submit(WHO, clearing(30.0))
    assert [one.status for one in office.desk.alerts()] == ["cleared", "open"]
    assert [one.id for one in office.desk.alerts(open_only=True)] == ["alert-2"]


def test_alerts_of_an_earlier_run_are_listed(tmp_path: Path):
    first = Office(tmp_path / "outbox.sqlite3")
    first.desk.submit(WHO, raising(1.0))
    first.outbox.close()
    second = Office(tmp_path / "outbox.sqlite3")
    (found,) = second.desk.alerts()
    assert (found.id, found.display_name) == ("alert-1", "Ada")
    with pytest.raises(NotFoundError):
        second.desk.acknowledge("alert-1", "Grace", "", 2.0)
    second.outbox.close()


def fill_disk(office: Office) -> int:
    """Open alerts of one participant each until the disk takes no more; tell how many it took."""
    office.limit_disk()
    opened = 0
    while not office.desk.stats().held:
        office.desk.submit(Participant("demo-1", f"p-{opened}"), raising(1.0))
        opened += 1
    return opened - 1


def test_alerts_held_in_memory_are_listed_too(office: Office):
    on_disk = fill_disk(office)
    closed, held, new = (Participant("demo-1", f"p-{number}") for number in (0, on_disk, on_disk + 1))
    office.desk.participant_left(closed, 2.0)
    office.desk.submit(held, transition(TransitionKind.UPDATE, 9.0, severity=4))
    office.desk.submit(new, raising(10.0))
    assert office.desk.stats().held == 4
    expected = [f"p-{number}" for number in (on_disk + 1, on_disk, 0, *range(on_disk - 1, 0, -1))]
    found = office.desk.alerts(1000)
    assert [one.participant_id for one in found] == expected
    assert [one.severity for one in found[:3]] == [3, 4, 3]
    expected.remove("p-0")
    assert [one.participant_id for one in office.desk.alerts(1000, open_only=True)] == expected
    assert [one.participant_id for one in office.desk.alerts(3, open_only=True)] == expected[:3]
    office.free_disk()
    office.desk.flush()
    assert [one.participant_id for one in office.desk.alerts(1000, open_only=True)] == expected


def test_what_is_held_takes_no_place_in_a_list_from_what_is_on_disk(office: Office):
    on_disk = fill_disk(office)
    for number in (on_disk, on_disk - 1):
        office.desk.participant_left(Participant("demo-1", f"p-{number}"), 2.0)
    found = office.desk.alerts(2, open_only=True)
    assert [one.participant_id for one in found] == [f"p-{on_disk - 2}", f"p-{on_disk - 3}"]


def test_a_disk_that_gives_nothing_is_told(office: Office):
    office.outbox.close()
    with pytest.raises(DeliveryError):
        office.desk.alerts()


def test_what_operators_do_goes_the_way_of_every_message(office: Office):
    office.desk.submit(WHO, raising(1.0))
    acknowledged = office.desk.acknowledge("alert-1", "Grace", "called back", 2.0)
    suppressed = office.desk.suppress("alert-1", "Grace", "known filter", 30, 3.0)
    rows = office.outbox.pending(10)
    assert [parse(row.payload) for row in rows[1:]] == [acknowledged, suppressed]
    assert [acknowledged.message_id, suppressed.message_id] == ["alert-1.2", "alert-1.3"]
    (found,) = office.desk.alerts(open_only=True)
    assert found == record_of(suppressed)
    assert (found.acknowledged_by, found.acknowledged_at) == ("Grace", office.wall.now)
    assert found.suppressed_until == office.wall.now + timedelta(minutes=30)


def test_a_closed_alert_that_is_acknowledged_does_not_stand_as_active(office: Office):
    office.desk.submit(WHO, raising(1.0))
    office.desk.participant_left(WHO, 5.0)
    office.desk.acknowledge("alert-1", "Grace", "", 6.0)
    assert [row.closes for row in office.outbox.pending(10)] == [False, True, True]
    assert office.desk.alerts(open_only=True) == []


def test_what_the_desk_refuses_is_not_written(office: Office):
    with pytest.raises(NotFoundError):
        office.desk.acknowledge("alert-1", "Grace", "", 2.0)
    office.desk.submit(WHO, raising(3.0))
    with pytest.raises(SignallingError):
        office.desk.suppress("alert-1", "Grace", "", 30, 4.0)
    assert office.outbox.count_pending() == 1


def test_no_log_names_an_operator_or_their_reason(office: Office):
    office.desk.submit(WHO, raising(1.0))
    with structlog.testing.capture_logs() as logs:
        office.desk.acknowledge("alert-1", "Grace", "called back", 2.0)
        office.desk.suppress("alert-1", "Grace", "called back", 30, 3.0)
    assert [log["event"] for log in logs] == ["alert acknowledged", "alert suppressed"]
    assert "Grace" not in str(logs)
    assert "called back" not in str(logs)


@pytest.mark.virtual_time
async def test_a_desk_whose_link_does_not_run_closes_at_once(tmp_path: Path):
    settings = AlertSettings(outbox_path=tmp_path / "outbox.sqlite3")
    desk = await asyncio.to_thread(open_desk, settings, MqttSettings(), ISSUER, WallTime())
    assert await desk.close() is False
    assert asyncio.get_running_loop().time() == 0.0


def test_the_birth_names_the_engines(tmp_path: Path):
    desk = open_desk(
        AlertSettings(outbox_path=tmp_path / "outbox.sqlite3"), MqttSettings(), ISSUER, WallTime()
    )
    assert json.loads(desk.link._birth)["engines"][0]["name"] == "face-manipulation"
    desk._outbox.close()


async def test_closing_waits_for_a_link_that_was_started_again_after_a_crash(
    office: Office, monkeypatch: pytest.MonkeyPatch
):
    broker = BrokerInMemory(errors=[LookupError("a bug")])
    monkeypatch.setattr(office.desk.link, "_dialer", broker)
    async with Tasks("test") as tasks:
        tasks.keep("mqtt", office.desk.link.run, Restart(delay=0.0))
        await broker.until_told(STATUS_TOPIC)
        await asyncio.to_thread(office.desk.submit, WHO, raising(1.0))
        assert await office.desk.close() is True
        assert "guard/v1/node-1/alert/alert-1" in [note.topic for note in broker.taken]
        assert broker.taken[-1] == Note(STATUS_TOPIC, b"offline")


async def test_closing_tells_when_letters_stay_since_the_broker_is_away(
    office: Office, monkeypatch: pytest.MonkeyPatch
):
    away = BrokerInMemory(errors=repeat(DeliveryError("broker: away")))
    monkeypatch.setattr(office.desk.link, "_dialer", away)
    running = asyncio.create_task(office.desk.link.run())
    await asyncio.to_thread(office.desk.submit, WHO, raising(1.0))
    assert await office.desk.close() is False
    await running


async def test_alerts_go_out_though_the_pool_of_the_loop_is_taken(
    office: Office, monkeypatch: pytest.MonkeyPatch
):
    broker, free = BrokerInMemory(), threading.Event()
    monkeypatch.setattr(office.desk.link, "_dialer", broker)
    await asyncio.to_thread(office.desk.submit, WHO, raising(1.0))
    with ThreadPoolExecutor(1) as pool:
        asyncio.get_running_loop().set_default_executor(pool)
        taken = asyncio.create_task(asyncio.to_thread(free.wait))
        running = asyncio.create_task(office.desk.link.run())
        try:
            await broker.until_told("guard/v1/node-1/alert/alert-1")
        finally:
            free.set()
            await office.desk.close()
            await asyncio.gather(taken, running)


def test_a_broker_address_that_shows_alerts_to_the_network_is_refused(tmp_path: Path):
    settings = AlertSettings(outbox_path=tmp_path / "outbox.sqlite3")
    for _ in range(2):  # and the outbox is let go
        with pytest.raises(ConfigError, match="allow_plain"):
            open_desk(settings, MqttSettings(url="mqtt://10.1.2.3"), ISSUER, WallTime())
