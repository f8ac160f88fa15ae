"""``guard attach``: a participant of another node, pulled by WHEP and watched."""

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.text import Text

from guard.cli.pull import Reporter, Target, line_for_programs, own_place, pull
from guard.config import Settings
from guard.core.errors import EnvironmentProblem, NotFoundError, SignallingError
from guard.core.types import Assessment, State
from guard.media.client import FrameSource, WhipPublisher
from guard.media.encode import VideoEncoder
from guard.session.events import Event, EventKind
from guard.session.participant import ParticipantStatus
from tests.support.command import Command
from tests.support.media import LOOPBACK, drawn_frames, eventually
from tests.support.node import bare_node, bare_settings, wall
from tests.support.served import ROOM, Served, served

pytestmark = pytest.mark.media


class Screen:
    """What is shown and said."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []
        self.lines: list[str] = []
        self.said: list[str] = []

    def __call__(self, fields: dict[str, object], line: Text) -> None:
        self.events.append(fields)
        self.lines.append(line.plain)

    def kinds(self) -> list[object]:
        """What happened, in order."""
        return [fields["event"] for fields in self.events]


@asynccontextmanager
async def caller(there: Served) -> AsyncIterator[str]:
    """Somebody who publishes at the node; where they can be watched."""
    source = FrameSource(drawn_frames(9000), VideoEncoder("vp8", 160, 120, 30.0, 300_000), time.monotonic)
    publisher = WhipPublisher(there.whip, there.token(), source, clock=time.monotonic, ice=LOOPBACK)
    await publisher.start()
    try:
        assert publisher.watch_url is not None
        yield publisher.watch_url
    finally:
        await publisher.stop()


def settings_in(folder: Path) -> Settings:
    folder.mkdir()
    return bare_settings(folder)


async def start_pull(
    folder: Path, target: Target, screen: Screen, stop: asyncio.Event | None = None
) -> asyncio.Task[str]:
    settings = await asyncio.to_thread(settings_in, folder / "here")
    return asyncio.create_task(
        pull(settings, target, stop or asyncio.Event(), screen, screen.said.append, make_node=bare_node)
    )


async def test_a_participant_is_watched_until_they_leave(tmp_path: Path):
    screen = Screen()
    async with served(tmp_path) as there:
        async with caller(there) as url:
            pulling = await start_pull(tmp_path, Target(url, there.token("Eve"), ROOM, "Ada"), screen)
            await eventually(lambda: "state" in screen.kinds())
        assert await pulling == "source_ended"
    assert screen.kinds()[0] == "joined"
    assert screen.kinds()[-1] == "left"
    assert screen.events[-1]["reason"] == "source_ended"
    joined = screen.events[0]["participant"]
    assert isinstance(joined, dict)
    assert (joined["name"], joined["state"]) == ("Ada", "insufficient")
    assert "whep" not in joined
    assert screen.lines[0].endswith("watching Ada")
    assert "insufficient  state    Ada " in screen.lines[1]
    assert screen.lines[-1].endswith("ended: source ended")
    assert all(json.loads(line_for_programs(fields)) == fields for fields in screen.events)


async def test_being_told_to_stop_leaves_the_other_server_at_once(tmp_path: Path):
    screen, stop = Screen(), asyncio.Event()
    async with served(tmp_path) as there, caller(there) as url:
        pulling = await start_pull(tmp_path, Target(url, there.token("Eve"), ROOM, "Ada"), screen, stop)
        await eventually(lambda: "state" in screen.kinds())
        stop.set()
        assert await pulling == "left"
        await eventually(lambda: all(room.subscribers == 0 for room in there.node.rooms()))
    assert screen.events[-1]["reason"] == "node_stopped"


async def test_a_refusal_carries_the_words_of_the_other_server(tmp_path: Path):
    async with served(tmp_path) as there, caller(there) as url:
        with pytest.raises(SignallingError, match="401"):
            await (await start_pull(tmp_path, Target(url, "no.token", ROOM, "Ada"), Screen()))


async def test_somebody_who_is_not_there_is_not_found(tmp_path: Path):
    async with served(tmp_path) as there:
        url = f"{there.url}/whep/{ROOM}/p_1"
        with pytest.raises(NotFoundError, match="404"):
            await (await start_pull(tmp_path, Target(url, there.token(), ROOM, "Ada"), Screen()))


async def test_with_retry_it_joins_again(tmp_path: Path):
    screen, stop = Screen(), asyncio.Event()
    async with served(tmp_path) as there, caller(there) as url:
        target = Target(url, there.token("Eve"), ROOM, "Ada", retry=True)
        pulling = await start_pull(tmp_path, target, screen, stop)
        await eventually(lambda: "state" in screen.kinds())
        (watching,) = (one for one in there.node._rooms.sessions() if one.publisher is not None)
        await there.node.leave(watching.id)
        await eventually(lambda: screen.kinds().count("joined") == 2)
        stop.set()
        await pulling
    assert screen.said[0].startswith("source ended; again in 0.")


async def test_with_retry_a_refusal_is_said_and_tried_again(tmp_path: Path):
    screen, stop = Screen(), asyncio.Event()
    target = Target("http://127.0.0.1:9/whep/dev/p", "a.b.c", ROOM, "Ada", retry=True)
    pulling = await start_pull(tmp_path, target, screen, stop)
    await eventually(lambda: len(screen.said) == 2)
    stop.set()
    await pulling
    assert "is the guard running there?; again in" in screen.said[0]


def status_of(state: State) -> ParticipantStatus:
    assessment = Assessment(
        at=1.0, state=state, liveness=0.9, deepfake=0.1, coverage=1.0, reasons=(), contributions=()
    )
    known = {"id": "p_1", "name": "Ada\x1b[2J", "joined_at": wall(), "assessment": assessment}
    known |= {"judged_fps": 8.0, "device_label": "", "degraded": False, "media": SimpleNamespace(fps=30.0)}
    fields: dict[str, Any] = {
        field.name: known.get(field.name) for field in dataclasses.fields(ParticipantStatus)
    }
    return ParticipantStatus(**fields)


def state_event(state: State) -> Event:
    return Event(EventKind.STATE, wall(), ROOM, "p_1", "attach", status_of(state))


def test_a_state_is_told_when_it_changes_only():
    screen = Screen()
    reporter = Reporter(screen)
    for state in (State.BONA_FIDE, State.BONA_FIDE, State.ATTACK, State.BONA_FIDE):
        reporter.tell(state_event(state))
    assert len(screen.lines) == 3
    assert "liveness 0.90 · deepfake 0.10 · judged 100%" in screen.lines[0]
    assert all(line.replace("\ufffd", "").isprintable() for line in screen.lines)


def test_two_at_once_get_places_of_their_own_and_a_free_one_is_taken_again(tmp_path: Path):
    settings = bare_settings(tmp_path)
    with own_place(settings) as first, own_place(settings) as second:
        names = [one.mqtt.node for one in (first, second)]
        paths = [one.alerts.outbox_path.name for one in (first, second)]
    with own_place(settings) as third:
        names.append(third.mqtt.node)
    assert names == ["test-attach-1", "test-attach-2", "test-attach-1"]
    assert paths == ["outbox-attach-1.sqlite3", "outbox-attach-2.sqlite3"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with (
        pytest.raises(EnvironmentProblem, match=r"alerts\.outbox_path: .*nowhere"),
        own_place(bare_settings(tmp_path / "nowhere")),
    ):
        pytest.fail("there is no such folder")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["http://h/whep/r/p"], 2, "expected a token"),
        (["rtsp://h/whep", "--token", "a.b.c"], 2, "expected an address"),
    ],
)
def test_wrong_use_is_told(
    guard: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, words: str
):
    monkeypatch.delenv("GUARD_TOKEN", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    done = guard("attach", *arguments)
    assert done.status == status
    assert words in done.error
