"""What is told of a participant, and how often; what is left of one whose analysis does not end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from guard.alerts.lifecycle import AlertKind
from guard.alerts.lifecycle import Participant as Subject
from guard.alerts.message import parse
from guard.core.types import Assessment, State, VideoFrame
from guard.core.units import Seconds
from guard.media.publication import PublicationStats
from guard.session.events import Event, EventKind, Listener
from guard.session.participant import Participant, Watch
from guard.session.pipeline import Verdict
from guard.session.visitor import Visitor
from tests.support.alerts import clearing, raising
from tests.support.node import bare_settings, shared_watch

pytestmark = pytest.mark.unit

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

    def __init__(self, watch: Watch, listener: Listener) -> None:
        self.watch = watch
        self.listener = listener
        self.closed: list[str] = []
        subject = Subject("c_1", "p_1", display_name="Ada")
        self.participant = Participant(
            "demo", subject, Visitor("Ada", "ada"), watch, ScriptedIntake, self.closed.append
        )

    async def heard(self, *kinds: EventKind) -> list[Event]:
        """What was heard of these kinds so far."""
        await asyncio.sleep(0)
        return [event for event in self.listener._waiting if event.kind in kinds]

    def judge(self, at: Seconds, state: State = State.BONA_FIDE) -> None:
        self.participant._take_verdict(Verdict(Assessment(at, 0.1, 0.9, state, 1.0), (), None))


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    watch = await asyncio.to_thread(shared_watch, bare_settings(tmp_path))
    watch.events.start()
    with watch.events.listen(lambda _: True) as listener:
        setup = Setup(watch, listener)
        yield setup
        await setup.participant.close()
    await watch.desk.close(deadline=0)  # its link never ran


async def test_an_unchanged_state_is_told_four_times_a_second_a_change_at_once(setup: Setup):
    for number in range(17):
        setup.judge(number / 16)
    assert len(await setup.heard(EventKind.STATE)) == 5
    setup.judge(1.01, State.SUSPICIOUS)
    setup.judge(1.02, State.SUSPICIOUS)
    setup.judge(1.03)
    assert len(await setup.heard(EventKind.STATE)) == 7


async def test_a_state_is_told_with_what_is_known_of_the_participant(setup: Setup):
    setup.judge(1.0)
    (event,) = await setup.heard(EventKind.STATE)
    assert (event.room, event.participant_id, event.owner) == ("demo", "p_1", "ada")
    assert event.participant is not None
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
    heard = await setup.heard(EventKind.ALERT, EventKind.LEFT)
    alerts = [event.alert for event in heard if event.alert]
    assert [alert.kind for alert in alerts] == [
        AlertKind.RAISED,
        AlertKind.CLEARED,
        AlertKind.RAISED,
        AlertKind.CLEARED,
    ]
    assert heard[-1].kind is EventKind.LEFT
    stored = await asyncio.to_thread(setup.watch.desk._outbox.pending, 10)
    assert [parse(row.payload) for row in stored] == alerts


async def test_who_never_began_is_not_said_to_have_left(setup: Setup):
    await setup.participant.close("left")
    assert await setup.heard(EventKind.JOINED, EventKind.LEFT) == []
    assert setup.closed == ["left"]


async def test_one_who_comes_and_goes_is_told_so(setup: Setup):
    setup.participant.start()
    await setup.participant.close("idle")
    joined, left = await setup.heard(EventKind.JOINED, EventKind.LEFT)
    assert joined.participant is not None
    assert joined.participant.name == "Ada"
    assert (left.participant_id, left.reason) == ("p_1", "idle")
    assert setup.closed == ["idle"]
