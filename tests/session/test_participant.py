"""What is told of a participant, and how often; what is left of one whose analysis does not end."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from guard.alerts.lifecycle import AlertEvent, AlertKind
from guard.alerts.lifecycle import Participant as Subject
from guard.alerts.message import parse
from guard.alerts.outbox import Letter
from guard.core.types import Assessment, State, VideoFrame
from guard.core.units import Seconds
from guard.media.publication import PublicationStats
from guard.session.events import AlertTold, Event, Joined, Left, StateChanged
from guard.session.participant import Participant, Watch
from guard.session.pipeline import Verdict
from guard.session.visitor import Visitor
from tests.support.alerts import clearing, raising
from tests.support.node import bare_settings, shared_watch

pytestmark = pytest.mark.unit

T = TypeVar("T", bound=Event)
IDLE_INTAKE = PublicationStats(None, 0, 0, 0, 0, 0.0, 0, 0, 0, 0, 0, 0, {}, None)


class ScriptedIntake:
    """Sends nothing; ends when it is told to."""

    units = 0

    def __init__(self, on_frame: Callable[[VideoFrame], None], on_closed: Callable[[str], None]) -> None:
        del on_frame
        self.on_closed = on_closed
        self.closed = False

    def stats(self) -> PublicationStats:
        return IDLE_INTAKE

    async def close(self, reason: str = "left") -> None:
        if not self.closed:
            self.closed = True
            self.on_closed(reason)


class Setup:
    """A participant of no node, and who listens."""

    def __init__(self, watch: Watch, told: list[Event]) -> None:
        self.watch = watch
        self.told = told
        self.closed: list[str] = []
        subject = Subject("c_1", "p_1", display_name="Ada")
        self.participant = Participant(
            "demo", subject, Visitor("Ada", "ada"), watch, ScriptedIntake, self.closed.append
        )

    async def heard(self, kind: type[T]) -> list[T]:
        """What was told of this kind so far."""
        await asyncio.sleep(0)
        return [event for event in self.told if isinstance(event, kind)]

    def judge(self, at: Seconds, state: State = State.BONA_FIDE) -> None:
        self.participant._take_verdict(Verdict(Assessment(at, 0.1, 0.9, state, 1.0), (), None))


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    watch = await asyncio.to_thread(shared_watch, bare_settings(tmp_path))
    watch.events.start()
    told: list[Event] = []

    def note(event: Event) -> bool:
        told.append(event)
        return False

    with watch.events.listen(note, "test"):
        setup = Setup(watch, told)
        yield setup
        await setup.participant.close()
    await watch.desk.close(deadline=0)  # its link never ran


async def test_an_unchanged_state_is_told_four_times_a_second_a_change_at_once(setup: Setup):
    for number in range(17):
        setup.judge(number / 16)
    assert len(await setup.heard(StateChanged)) == 5
    setup.judge(1.01, State.SUSPICIOUS)
    setup.judge(1.02, State.SUSPICIOUS)
    setup.judge(1.03)
    assert len(await setup.heard(StateChanged)) == 7


async def test_a_state_is_told_with_what_is_known_of_the_participant(setup: Setup):
    setup.judge(1.0)
    (event,) = await setup.heard(StateChanged)
    assert (event.room, event.participant.id, event.participant.owner) == ("demo", "p_1", "ada")
    assert event.participant.assessment is not None
    assert event.participant.media is IDLE_INTAKE


async def test_alerts_are_told_as_the_broker_tells_them_and_closed_at_the_end(setup: Setup):
    assessment = Assessment(1.0, 0.9, 0.9, State.ATTACK, 1.0)
    verdict = Verdict(assessment, (raising(1.0),), None)
    await asyncio.to_thread(setup.participant._take_verdict, verdict)
    await asyncio.to_thread(setup.participant._take_verdict, Verdict(assessment, (clearing(2.0),), None))
    await asyncio.to_thread(setup.participant._take_verdict, Verdict(assessment, (raising(3.0),), None))
    setup.participant.start()
    await setup.participant.close("left")
    alerts = [event.alert for event in await setup.heard(AlertTold)]
    assert [alert.kind for alert in alerts] == [
        AlertKind.RAISED,
        AlertKind.CLEARED,
        AlertKind.RAISED,
        AlertKind.CLEARED,
    ]
    assert isinstance(setup.told[-1], Left)
    stored = await asyncio.to_thread(setup.watch.desk._outbox.pending, 10)
    assert [parse(row.payload) for row in stored] == alerts


async def test_who_never_began_is_not_said_to_have_left(setup: Setup):
    await setup.participant.close("left")
    await asyncio.sleep(0)
    assert setup.told == []
    assert setup.closed == ["left"]


async def test_one_who_comes_and_goes_is_told_so(setup: Setup):
    setup.participant.start()
    await setup.participant.close("idle")
    (joined,), (left,) = await setup.heard(Joined), await setup.heard(Left)
    assert joined.participant.name == "Ada"
    assert (left.participant_id, left.reason) == ("p_1", "idle")
    assert setup.closed == ["idle"]


async def test_an_analysis_that_comes_after_the_end_tells_listeners_nothing(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("guard.session.participant.JOIN_TIMEOUT", 0.01)
    entered, gate, add = threading.Event(), threading.Event(), setup.watch.desk._outbox.add

    def wait_for_the_disk(letters: Sequence[Letter]) -> None:
        entered.set()
        assert gate.wait(20.0)
        add(letters)

    monkeypatch.setattr(setup.watch.desk._outbox, "add", wait_for_the_disk)
    assessment = Assessment(1.0, 0.9, 0.9, State.ATTACK, 1.0)
    tell = setup.participant._told_alerts
    late = threading.Event()

    def slowly(events: Iterable[AlertEvent]) -> Iterator[AlertTold]:
        if threading.current_thread().name == "late":
            assert late.wait(20.0)
        return tell(events)

    monkeypatch.setattr(setup.participant, "_told_alerts", slowly)
    verdict = Verdict(assessment, (raising(1.0),), None)
    thread = threading.Thread(target=setup.participant._take_verdict, args=(verdict,), name="late")
    thread.start()
    assert await asyncio.to_thread(entered.wait, 20.0)
    gate.set()
    setup.participant.start()
    await setup.participant.close("left")
    late.set()
    await asyncio.to_thread(thread.join, 20.0)
    await asyncio.sleep(0)
    assert [event.name for event in setup.told] == ["joined", "alert", "left"]
    assert [event.alert.kind for event in await setup.heard(AlertTold)] == [AlertKind.CLEARED]
