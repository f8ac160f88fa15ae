"""``guard publish``: clips, pictures and cameras as callers of a real node."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import av
import pytest
from pydantic import SecretStr

from guard.cli.publish import run as sending
from guard.cli.publish.command import in_words, status_line
from guard.cli.publish.pictures import MOST_PIXELS, Pictures, endless, open_pictures, scaled
from guard.cli.publish.run import Ended, Meter, Order, Outcome, Progress, broadcast
from guard.core.errors import MediaError, SignallingError
from guard.core.geometry import even_size
from guard.core.types import VideoFrame
from guard.media.client import WhipPublisher
from guard.media.frames import picture_of
from guard.media.sources import open_clip
from guard.media.turn import IceServer
from tests.support.camera import Camera
from tests.support.command import Command
from tests.support.media import LOOPBACK, drawn_frames, eventually
from tests.support.served import ROOM, Served, ran, running, served

pytestmark = [pytest.mark.media, pytest.mark.peers]


def write_clip(path: Path, count: int = 30, size: tuple[int, int] = (160, 120)) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number, frame in enumerate(drawn_frames(count, *size)):
            picture = picture_of(frame)
            picture.pts, picture.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_picture(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 65, 47, "rgb24"
        container.mux(stream.encode(picture_of(next(drawn_frames(1, 65, 47))).reformat(format="rgb24")))
        container.mux(stream.encode(None))
    return path


class Audience:
    """What a broadcast tells while it goes on."""

    def __init__(self) -> None:
        self.greeted: list[tuple[Pictures, str | None]] = []
        self.shown: list[Progress] = []

    def greet(self, pictures: Pictures, watch_url: str | None) -> None:
        self.greeted.append((pictures, watch_url))


async def send(order: Order, audience: Audience, stop: asyncio.Event | None = None) -> Outcome:
    return await broadcast(
        order, stop or asyncio.Event(), audience.shown.append, greet=audience.greet, ice=LOOPBACK
    )


def decoded(there: Served) -> int:
    return sum(one.media.decoded for room in there.node.rooms() for one in room.participants)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_a_clip_is_sent_to_its_end(tmp_path: Path, codec: Literal["vp8", "h264"]):
    clip, audience = await asyncio.to_thread(write_clip, tmp_path / "clip.mp4"), Audience()
    async with served(tmp_path) as there:
        outcome = await send(Order(str(clip), there.whip, there.token(), codec), audience)
        assert list(there.node.rooms()) == []
    assert outcome.ended is Ended.SOURCE
    assert 10 <= outcome.sent <= 30
    assert 0.9 <= outcome.seconds < 3.0
    ((pictures, watch_url),) = audience.greeted
    assert (pictures.title, pictures.size, pictures.fps) == ("clip.mp4", (160, 120), 30.0)
    assert watch_url == outcome.watch_url
    assert watch_url is not None
    assert watch_url.startswith(f"{there.url}/whep/{ROOM}/")
    assert audience.shown[-1].sent > 0


@pytest.mark.parametrize("name", ["clip.mp4", "photo.png"])
async def test_what_goes_on_for_ever_goes_on_until_it_is_stopped(tmp_path: Path, name: str):
    write = write_clip if name == "clip.mp4" else write_picture
    path, stop, audience = await asyncio.to_thread(write, tmp_path / name), asyncio.Event(), Audience()
    async with served(tmp_path) as there:
        order = Order(str(path), there.whip, there.token(), loop=True)
        sending_it = asyncio.create_task(send(order, audience, stop))
        await eventually(lambda: decoded(there) > 12)
        stop.set()
        outcome = await sending_it
    assert outcome.ended is Ended.STOPPED
    assert outcome.sent > 12


async def test_it_ends_after_the_time_asked_for(tmp_path: Path):
    clip = await asyncio.to_thread(write_clip, tmp_path / "clip.mp4")
    async with served(tmp_path) as there:
        outcome = await send(Order(str(clip), there.whip, there.token(), loop=True, seconds=0.4), Audience())
    assert outcome.ended is Ended.TIME
    assert 0.4 <= outcome.seconds < 2.0


async def test_a_call_that_the_node_ends_is_told(tmp_path: Path):
    clip, audience = await asyncio.to_thread(write_clip, tmp_path / "clip.mp4"), Audience()
    async with served(tmp_path) as there:
        sending_it = asyncio.create_task(
            send(Order(str(clip), there.whip, there.token(), loop=True), audience)
        )
        await eventually(lambda: audience.shown)
        (session,) = (one.id for one in there.node._rooms.sessions())
        await there.node.leave(session)
        outcome = await sending_it
    assert outcome.ended is Ended.CALL


async def test_a_camera_is_sent(tmp_path: Path):
    audience, stop = Audience(), asyncio.Event()
    with Camera(60, 300, size=(322, 180)) as camera:
        async with served(tmp_path) as there:
            sending_it = asyncio.create_task(
                send(Order(camera.url, there.whip, there.token(), "h264"), audience, stop)
            )
            await eventually(lambda: decoded(there) > 5)
            stop.set()
            outcome = await sending_it
    assert outcome.ended is Ended.STOPPED
    assert audience.greeted[0][0].size == (322, 180)
    assert "hunter2" not in audience.greeted[0][0].title


async def test_a_refusal_carries_the_words_of_the_node(tmp_path: Path):
    clip = await asyncio.to_thread(write_clip, tmp_path / "clip.mp4")
    async with served(tmp_path) as there:
        with pytest.raises(SignallingError, match="401"):
            await send(Order(str(clip), there.whip, "not-a-token"), Audience())


async def test_a_clip_that_breaks_off_raises_what_broke_it(tmp_path: Path):
    clip = await asyncio.to_thread(write_clip, tmp_path / "clip.mp4")

    def breaking(_source: str, _stopping: threading.Event, *, loop: bool) -> Pictures:
        assert not loop

        def frames() -> Iterator[VideoFrame]:
            yield from islice(open_clip(clip).frames(), 3)
            msg = "expected a file that can be decoded to its end"
            raise MediaError(msg)

        return Pictures("clip.mp4", (160, 120), 30.0, frames())

    async with served(tmp_path) as there:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sending, "open_pictures", breaking)
            with pytest.raises(MediaError, match="decoded to its end"):
                await send(Order(str(clip), there.whip, there.token()), Audience())
        assert list(there.node.rooms()) == []


async def test_the_command_ends_well_on_ctrl_c_and_says_how_it_went(tmp_path: Path):
    clip = await asyncio.to_thread(write_clip, tmp_path / "clip.mp4")
    async with served(tmp_path) as there:
        arguments = ("publish", str(clip), "--to", there.whip, "--loop", "--json")
        async with running(tmp_path, *arguments, GUARD_TOKEN=there.token()) as command:
            await eventually(lambda: decoded(there) > 3)
            command.interrupt()
            done = await command.end()
    assert done.status == 0, done.error
    line = json.loads(done.out)
    assert list(line) == ["sent", "seconds", "dropped", "watch_url", "ended"]
    assert line["ended"] == "stopped"
    assert line["sent"] > 3
    assert "sending clip.mp4 (160x120, 30 fps)" in done.error
    assert there.token() not in done.error


async def test_a_node_that_is_not_there_is_named(tmp_path: Path):
    clip = await asyncio.to_thread(write_clip, tmp_path / "clip.mp4", 3)
    arguments = ("publish", str(clip), "--to", "http://127.0.0.1:9/whip/dev", "--token", "a.b.c")
    done = await ran(tmp_path, *arguments)
    assert done.status == 1
    assert "http://127.0.0.1:9/whip/dev: expected an answer" in done.error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "http://h/whip/r"], "expected a token"),
        (["--to", "http://h/whip/r", "--token", "two words"], "as HTTP carries it"),
        (["--to", "http://h/whip/r", "--token-file", "nowhere"], "expected a file with a token"),
        (["--to", "ftp://h/whip/r", "--token", "a.b.c"], "expected an address"),
        (["--to", "http:///whip", "--token", "a.b.c"], "expected an address"),
        (["--to", "http://[", "--token", "a.b.c"], "expected an address"),
        (["--to", "http://h/whip/r", "--token", "a.b.c", "--codec", "av1"], "--codec"),
    ],
)
def test_wrong_use_is_told_before_anything_is_opened(
    guard: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
):
    monkeypatch.delenv("GUARD_TOKEN", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    done = guard("publish", "missing.mp4", *arguments)
    assert done.status == 2
    assert words in done.error


@pytest.mark.parametrize("source", ["rtsp://ada:hunter2@[bad/x", "rtsp://ada:hunter2@h:x/x", "rtsp://h:0/x"])
def test_a_cameras_address_that_is_none_is_wrong_use_and_not_repeated(
    guard: Command, monkeypatch: pytest.MonkeyPatch, source: str
):
    monkeypatch.setenv("COLUMNS", "200")
    done = guard("publish", source, "--to", "http://h/whip/r", "--token", "a.b.c")
    assert done.status == 2
    assert "rtsp://host:554/stream" in done.error
    assert "hunter2" not in done.error


@pytest.mark.parametrize(
    "source", ["ftp://ada:hunter2@h/clip.mp4", "http://ada:hunter2@h/", "smb://h/clip.mp4"]
)
def test_an_address_of_another_kind_is_no_file(guard: Command, monkeypatch: pytest.MonkeyPatch, source: str):
    monkeypatch.setenv("COLUMNS", "200")
    done = guard("publish", source, "--to", "http://h/whip/r", "--token", "a.b.c")
    assert done.status == 2
    scheme = source.partition(":")[0]
    assert f"the address of a camera with rtsp:// or rtsps://, got one with '{scheme}'" in done.error
    assert "hunter2" not in done.error


async def test_the_configuration_says_by_which_addresses_and_turn_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clip = await asyncio.to_thread(write_clip, tmp_path / "clip.mp4", 3)
    made: list[dict[str, Any]] = []

    class Noting(WhipPublisher):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            made.append(options)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(sending, "WhipPublisher", Noting)
    ice = LOOPBACK.model_copy(
        update={
            "servers": ("stun:127.0.0.1:9", "turn:127.0.0.1:9"),
            "username": "ada",
            "credential": SecretStr("s"),
        }
    )
    audience = Audience()
    order = Order(str(clip), "http://127.0.0.1:9/whip/dev", "a.b.c")
    with pytest.raises(SignallingError):
        await broadcast(order, asyncio.Event(), audience.shown.append, greet=audience.greet, ice=ice)
    assert made[0]["ice"] == ice
    assert made[0]["servers"] == (IceServer("turn:127.0.0.1:9", "ada", "s"),)


async def test_the_command_reads_the_configuration(tmp_path: Path):
    clip = await asyncio.to_thread(write_clip, tmp_path / "clip.mp4", 3)
    await asyncio.to_thread((tmp_path / "guard.toml").write_text, "[ice]\nhost_addresses = ['nowhere']\n")
    arguments = ("publish", str(clip), "--to", "http://h/whip/r", "--token", "a.b.c")
    done = await ran(tmp_path, *arguments, "--config", "guard.toml")
    assert done.status == 1
    assert "ice.host_addresses: expected an IP address" in done.error


async def test_it_can_be_stopped_while_the_camera_is_opened():
    stop, audience = asyncio.Event(), Audience()
    with socket.create_server(("127.0.0.1", 0)) as camera:  # takes connections and says nothing
        camera.settimeout(0)
        url = f"rtsp://127.0.0.1:{camera.getsockname()[1]}/x"
        sending_it = asyncio.create_task(send(Order(url, "http://h/whip/r", "a.b.c"), audience, stop))
        connection, _ = await asyncio.get_running_loop().sock_accept(camera)
        with connection:
            stop.set()
            async with asyncio.timeout(5):
                outcome = await sending_it
    assert outcome == Outcome(0, 0.0, 0, None, Ended.STOPPED)
    assert audience.greeted == []


def test_a_looped_clip_runs_in_one_time(tmp_path: Path):
    clip = open_clip(write_clip(tmp_path / "clip.mp4", 10))
    times = [frame.pts for frame in islice(endless(clip), 25)]
    assert times == pytest.approx([number / 30 for number in range(25)])


def test_a_still_picture_is_sent_ten_times_a_second(tmp_path: Path):
    pictures = open_pictures(str(write_picture(tmp_path / "photo.png")), threading.Event(), loop=False)
    assert pictures.size == (64, 46)
    assert [frame.pts for frame in islice(pictures.frames, 3)] == pytest.approx([0.0, 0.1, 0.2])


def test_of_a_file_of_several_pictures_the_first_is_sent(tmp_path: Path):
    path = write_picture(tmp_path / "photo.png")
    path.write_bytes(path.read_bytes() * 2)
    pictures = open_pictures(str(path), threading.Event(), loop=False)
    assert [frame.width for frame in islice(pictures.frames, 3)] == [65, 65, 65]


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((640, 360), (640, 360)),
        ((1280, 720), (1280, 720)),
        ((3840, 2160), (1280, 720)),
        ((1080, 1920), (720, 1280)),
        ((321, 241), (320, 240)),
        ((1, 1), (2, 2)),
    ],
)
def test_pictures_are_sent_at_a_size_that_encoders_and_nodes_take(
    size: tuple[int, int], sent: tuple[int, int]
):
    assert even_size(*size, MOST_PIXELS) == sent
    (frame,) = drawn_frames(1, *size)
    made = scaled(frame, sent)
    assert (made.width, made.height, made.pts) == (*sent, frame.pts)


def test_a_picture_keeps_its_look_when_scaled():
    (frame,) = drawn_frames(1, 640, 480)
    made = scaled(frame, (320, 240))
    assert abs(float(made.y.mean()) - float(frame.y.mean())) < 1.0


def test_the_meter_tells_the_newest_second():
    meter = Meter()
    assert [meter.rate(sent, now) for sent, now in ((15, 0.5), (30, 1.0), (31, 1.5), (40, 2.0))] == [
        0,
        30,
        30,
        10,
    ]


def test_the_status_line_says_what_matters():
    words = status_line(Progress(sent=300, seconds=10.2, fps=29.96, dropped=2, keyframes_asked=3)).plain
    assert words.strip() == "10 s · 30.0 fps · 300 sent · 2 dropped · 3 keyframes asked"


@pytest.mark.parametrize("ended", list(Ended))
def test_every_end_has_its_words(ended: Ended):
    assert in_words(Outcome(10, 1.0, 0, None, ended)).endswith(": 10 pictures in 1.0 s, 0 dropped")
