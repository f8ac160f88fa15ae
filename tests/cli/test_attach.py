"""``guard attach``: a participant of another node, pulled by WHEP and watched."""

import asyncio
import dataclasses
import errno
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from pydantic import SecretStr
from rich.text import Text

from guard.alerts.outbox import Outbox
from guard.cli.alert_lines import NOT_TOLD
from guard.cli.attach.command import line_for_programs
from guard.cli.attach.place import open_in_own_place
from guard.cli.attach.run import Reporter, Target, attach
from guard.cli.output import ReaderLeft
from guard.config import Settings
from guard.core.errors import CapacityError, ConfigError, GuardError, NotFoundError, SignallingError
from guard.core.types import Assessment, State
from guard.media.client import FrameSource, WhipPublisher
from guard.media.encode import VideoEncoder
from guard.media.subscriber import WhepSubscriber
from guard.media.turn import IceServer
from guard.session.events import StateChanged
from guard.session.status import ParticipantStatus
from tests.support.command import Command
from tests.support.media import LOOPBACK, drawn_frames, eventually
from tests.support.node import bare_node, bare_settings, wall
from tests.support.served import ROOM, Served, running, served

pytestmark = [pytest.mark.media, pytest.mark.peers]


class Screen:
    """What is shown and said."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []
        self.lines: list[str] = []
        self.said: list[str] = []

    async def __call__(self, fields: Mapping[str, object], line: Text) -> None:
        self.events.append(dict(fields))
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


async def start_attach(
    folder: Path, target: Target, screen: Screen, stop: asyncio.Event | None = None
) -> asyncio.Task[str]:
    settings = await asyncio.to_thread(settings_in, folder / "here")
    stop = stop or asyncio.Event()
    return asyncio.create_task(
        attach(settings, target, stop, screen, screen.said.append, open_node=bare_node)
    )


async def test_a_participant_is_watched_until_they_leave(tmp_path: Path):
    screen = Screen()
    async with served(tmp_path) as there:
        async with caller(there) as url:
            pulling = await start_attach(tmp_path, Target(url, there.token("Eve"), ROOM, "Ada"), screen)
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
        pulling = await start_attach(tmp_path, Target(url, there.token("Eve"), ROOM, "Ada"), screen, stop)
        await eventually(lambda: "state" in screen.kinds())
        stop.set()
        assert await pulling == "left"
        await eventually(lambda: all(room.subscribers == 0 for room in there.node.rooms()))
    assert screen.events[-1]["reason"] == "node_stopped"


async def test_a_refusal_carries_the_words_of_the_other_server(tmp_path: Path):
    async with served(tmp_path) as there, caller(there) as url:
        with pytest.raises(SignallingError, match="401"):
            await (await start_attach(tmp_path, Target(url, "no.token", ROOM, "Ada"), Screen()))


async def test_somebody_who_is_not_there_is_not_found(tmp_path: Path):
    async with served(tmp_path) as there:
        url = f"{there.url}/whep/{ROOM}/p_1"
        with pytest.raises(NotFoundError, match="404"):
            await (await start_attach(tmp_path, Target(url, there.token(), ROOM, "Ada"), Screen()))


class Deaf(Screen):
    """A screen that nobody looks at any more: it fails, or takes nothing, from the second event on."""

    def __init__(self, *, stuck: bool) -> None:
        super().__init__()
        self._stuck = stuck

    async def __call__(self, fields: Mapping[str, object], line: Text) -> None:
        await super().__call__(fields, line)
        if len(self.events) == 2 and self._stuck:
            await asyncio.Event().wait()
        if len(self.events) == 2:
            raise ReaderLeft


async def test_when_nobody_reads_any_more_it_leaves_at_once(tmp_path: Path):
    async with served(tmp_path) as there, caller(there) as url:
        attaching = await start_attach(
            tmp_path, Target(url, there.token("Eve"), ROOM, "Ada"), Deaf(stuck=False)
        )
        with pytest.raises(ReaderLeft):
            async with asyncio.timeout(20):
                await attaching
        await eventually(lambda: all(room.subscribers == 0 for room in there.node.rooms()))


async def test_a_reader_who_is_stuck_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.cli.attach.run.LAST_WORDS", 0.1)
    screen = Deaf(stuck=True)
    async with served(tmp_path) as there:
        async with caller(there) as url:
            attaching = await start_attach(tmp_path, Target(url, there.token("Eve"), ROOM, "Ada"), screen)
            await eventually(lambda: len(screen.events) == 2)
        async with asyncio.timeout(20):
            assert await attaching == "source_ended"


async def test_behind_head_the_command_ends_well(tmp_path: Path):
    async with served(tmp_path) as there, caller(there) as url:
        arguments = ("attach", url, "--json", "--token", there.token("Eve"))
        async with running(tmp_path, *arguments, GUARD__ANALYSIS__FPS="2") as command:
            assert json.loads(await command.line())["event"] == "joined"
            command.stop_reading()
            done = await command.end()
    assert (done.status, done.out) == (0, "")
    assert "Traceback" not in done.error
    assert "BrokenPipe" not in done.error


async def test_media_may_flow_by_the_turn_servers_of_the_configuration(tmp_path: Path):
    asked: list[tuple[IceServer, ...] | None] = []

    class Noting(WhepSubscriber):
        def __init__(self, *arguments: Any, servers: tuple[IceServer, ...] | None, **options: Any) -> None:
            asked.append(servers)
            super().__init__(*arguments, servers=servers, **options)

    settings = await asyncio.to_thread(settings_in, tmp_path / "here")
    ice = settings.ice.model_copy(
        update={"servers": ("stun:127.0.0.1:9", "turn:127.0.0.1:9"), "turn_secret": SecretStr("s")}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("guard.session.attach.WhepSubscriber", Noting)
        target = Target("http://127.0.0.1:9/whep/dev/p", "a.b.c", ROOM, "Ada")
        with pytest.raises(GuardError):
            await attach(
                settings.model_copy(update={"ice": ice}),
                target,
                asyncio.Event(),
                Screen(),
                print,
                open_node=bare_node,
            )
    (servers,) = asked
    assert servers is not None
    assert [one.url for one in servers] == ["turn:127.0.0.1:9"]
    assert servers[0].username is not None
    assert servers[0].username.startswith(f"{int(wall().timestamp()) + 3600}:")


async def test_with_retry_it_joins_again(tmp_path: Path):
    screen, stop = Screen(), asyncio.Event()
    async with served(tmp_path) as there, caller(there) as url:
        target = Target(url, there.token("Eve"), ROOM, "Ada", retry=True)
        pulling = await start_attach(tmp_path, target, screen, stop)
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
    pulling = await start_attach(tmp_path, target, screen, stop)
    await eventually(lambda: len(screen.said) == 2)
    stop.set()
    await pulling
    assert "is the server running there?; again in" in screen.said[0]


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


def state_event(state: State) -> StateChanged:
    return StateChanged(wall(), ROOM, status_of(state))


def test_a_state_is_told_when_it_changes_only():
    reporter = Reporter()
    states = (State.BONA_FIDE, State.BONA_FIDE, State.ATTACK, State.BONA_FIDE)
    told = [reporter.news(state_event(state)) for state in states]
    lines = [news[1].plain for news in told if news is not None]
    assert len(lines) == 3
    assert "liveness 0.90 · deepfake 0.10 · judged 100%" in lines[0]
    assert all(line.replace("\ufffd", "").isprintable() for line in lines)


def test_whom_nobody_could_judge_has_no_score():
    news = Reporter().news(state_event(State.INSUFFICIENT))
    assert news is not None
    assert f"liveness {NOT_TOLD} · deepfake {NOT_TOLD} · judged 100%" in news[1].plain
    assert '"liveness":null,"deepfake":null' in line_for_programs(news[0])


class Places:
    """Commands that run on one machine, by the outboxes that they hold."""

    def __init__(self, folder: Path) -> None:
        self._settings = bare_settings(folder)
        self._held: list[Outbox] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for outbox in self._held:
            outbox.close()

    def take(self) -> str:
        """Open a node; the name that it got."""
        names: list[str] = []

        def open_node(settings: Settings) -> Any:
            self._held.append(Outbox(settings.alerts.outbox_path))
            names.append(settings.mqtt.node)

        open_in_own_place(self._settings, open_node)
        return names[0]

    def leave_first(self) -> None:
        """End the first of them."""
        self._held.pop(0).close()


def test_two_at_once_get_places_of_their_own_and_a_free_one_is_taken_again(tmp_path: Path):
    with Places(tmp_path) as places:
        names = [places.take(), places.take()]
        places.leave_first()
        names.append(places.take())
    assert names == ["test-attach-1", "test-attach-2", "test-attach-1"]
    found = sorted(path.name for path in tmp_path.glob("outbox*.sqlite3"))
    assert found == ["outbox-attach-1.sqlite3", "outbox-attach-2.sqlite3"]


def test_a_place_that_another_takes_at_the_same_moment_is_left_to_it(tmp_path: Path):
    with Places(tmp_path) as places, pytest.MonkeyPatch.context() as patch:
        patch.setattr("guard.cli.attach.place.in_use", lambda _path: False)
        assert [places.take(), places.take()] == ["test-attach-1", "test-attach-2"]


def test_when_every_place_is_taken_it_says_so(tmp_path: Path):
    with Places(tmp_path) as places, pytest.MonkeyPatch.context() as patch:
        patch.setattr("guard.cli.attach.place.MOST_PLACES", 1)
        places.take()
        with pytest.raises(CapacityError, match="fewer than 1 beside"):
            places.take()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    problem = r"alerts\.outbox_path: .*nowhere.*No such file"
    with Places(tmp_path / "nowhere") as places, pytest.raises(ConfigError, match=problem):
        places.take()


def test_a_disk_without_locks_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_locks(_file: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("guard.alerts.outbox.fcntl.flock", no_locks)
    with Places(tmp_path) as places, pytest.raises(ConfigError, match="No locks available"):
        places.take()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["http://h/whep/r/p"], 2, "expected a token"),
        (["rtsp://h/whep", "--token", "a.b.c"], 2, "expected an address"),
        (["http://h/whep/r/p", "--token", "a.b.c", "--room", "a room"], 2, "--room"),
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
