"""Cameras: RTSP streams, their time, their return."""

import socket
import threading
import time
from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from guard.core.errors import MediaError
from guard.media.live import Timeline, names_camera, open_live, without_credentials
from tests.support.camera import Camera

pytestmark = [pytest.mark.media, pytest.mark.peers]

SECONDS = st.floats(0.0, 1e6)


def test_a_camera_shows_its_pictures():
    with Camera(60, 60) as camera:
        live = open_live(camera.url, time.monotonic)
        frames = list(islice(live.frames(), 15))
        live.stopping.set()
    assert (live.width, live.height, live.fps) == (160, 120, 30.0)
    assert [frame.width for frame in frames] == [160] * 15
    assert [frame.pts for frame in frames] == sorted(frame.pts for frame in frames)
    assert camera.asked[:4] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]


def test_a_camera_that_hangs_up_is_asked_again_until_it_stays_away():
    with Camera(60, 30, 30) as camera:
        live = replace(open_live(camera.url, time.monotonic), first_delay=0.001)
        frames = live.frames()
        seen = [next(frames) for _ in range(60)]
        with pytest.raises(MediaError, match=r"Connection refused.*given up after 5 attempts") as raised:
            next(frames)
    assert len(seen) == 60
    assert live.reconnects == 5
    assert camera.asked.count("PLAY") == 3
    assert "hunter2" not in str(raised.value)


def test_being_told_to_stop_ends_the_pictures():
    with Camera(60, 60) as camera:
        live = open_live(camera.url, time.monotonic)
        frames = live.frames()
        next(frames)
        live.stopping.set()
        assert list(frames) == []


def test_a_machine_that_is_no_camera_is_named_without_the_password():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(MediaError, match=rf"^rtsp://127\.0\.0\.1:{port}: .*Connection refused") as raised:
        open_live(f"rtsp://admin:hunter2@127.0.0.1:{port}/x", time.monotonic)
    assert "hunter2" not in str(raised.value)


def test_a_stream_without_a_picture_is_refused():
    with Camera(0) as camera, pytest.raises(MediaError, match="expected"):
        open_live(camera.url, time.monotonic)


@pytest.mark.parametrize(
    ("text", "live"),
    [
        ("rtsp://cam/1", True),
        ("RTSPS://cam/1", True),
        ("clip.mp4", False),
        ("rtsp", False),
        ("http://x/", False),
    ],
)
def test_an_address_of_a_camera_is_told_from_a_file(text: str, live: bool):  # noqa: FBT001 -- a table
    assert names_camera(text) is live


@pytest.mark.parametrize("user", ["", "admin@", "admin:hunter2@", "a%40b:hun@ter2@"])
def test_credentials_are_not_shown(user: str):
    assert (
        without_credentials(f"rtsp://{user}cam:554/user=admin_password=hunter2?p=hunter2") == "rtsp://cam:554"
    )


def test_an_address_that_is_none_is_not_shown_at_all():
    assert without_credentials("rtsp://admin:hunter2@[/1") == "camera"


def test_each_return_to_a_camera_is_logged():
    with Camera(60, 1, 30) as camera, capture_logs() as logs:
        shown = without_credentials(camera.url)
        live = replace(open_live(camera.url, time.monotonic), first_delay=0.001)
        with pytest.raises(MediaError, match="given up"):
            list(live.frames())
    broken = [line for line in logs if line["event"] == "camera broke off"]
    assert len(broken) == live.reconnects >= 5
    assert {line["reason"] for line in broken} >= {"Connection refused"}
    assert {line["pii.camera"] for line in broken} == {shown}
    assert "hunter2" not in str(logs)


def test_a_camera_that_does_not_answer_is_left_when_told_to_stop():
    stopping = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        timer = threading.Timer(0.2, stopping.set)
        timer.start()
        began = time.monotonic()
        with pytest.raises(MediaError, match="told to stop"):
            open_live(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/x", time.monotonic, stopping)
        assert time.monotonic() - began < 2.0
        timer.join()
        opening = [thread for thread in threading.enumerate() if thread.name == "camera-open"]
    for thread in opening:  # the other end has hung up
        thread.join(5.0)


def test_nobody_waits_for_the_next_attempt_when_told_to_stop():
    with Camera(60, 1) as camera:
        live = replace(open_live(camera.url, time.monotonic), first_delay=60.0)
        frames = live.frames()
        next(frames)
        timer = threading.Timer(0.2, live.stopping.set)
        timer.start()
        assert len(list(frames)) < 60
        timer.join()


def test_a_stream_that_keeps_pace_keeps_its_own_rhythm():
    line = Timeline()
    due = [
        line.place(7.0 + number / 25, 2.0 + number / 25 + (0.1 if number % 2 else 0.0))
        for number in range(50)
    ]
    assert due == pytest.approx([2.0 + number / 25 for number in range(50)])


def test_a_clock_that_drifts_is_followed():
    line = Timeline()
    late = [1.01 * number - line.place(float(number), 1.01 * number) for number in range(200)]
    assert max(map(abs, late)) <= 0.25


def test_a_picture_without_time_is_due_when_it_comes():
    line = Timeline()
    assert [line.place(None, now) for now in (0.5, 1.0)] == [0.5, 1.0]


@given(st.lists(st.tuples(st.none() | SECONDS, st.floats(0.0, 1.0)), max_size=40))
def test_time_never_runs_backwards_and_never_far_off(arrivals: list[tuple[float | None, float]]):
    line, now, newest = Timeline(), 0.0, 0.0
    for streamed, passed in arrivals:
        now += passed
        due = line.place(streamed, now)
        assert newest <= due <= now + 0.25 + 1e-6
        newest = due
