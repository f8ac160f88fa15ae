"""What the demo's set does beside the play: earlier runs are forgotten, broken callers are noticed."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.cli.demo.record import CallerRecord
from guard.cli.demo.scene import Member, Options, Scene
from guard.config import MqttSettings
from guard.core.errors import MediaError
from guard.core.types import VideoFrame
from guard.media.client import FrameSource
from guard.media.encode import VideoEncoder
from guard.media.subscriber import WhepSubscriber
from tests.support.media import drawn_frames, eventually
from tests.support.node import bare_node, bare_settings

pytestmark = pytest.mark.media


def test_alerts_of_an_earlier_run_are_forgotten(tmp_path: Path):
    for name in ("outbox.sqlite3", "outbox.sqlite3-wal", "outbox.sqlite3-shm", "report.html"):
        (tmp_path / name).touch()
    options = Options(40.0, tmp_path)
    assert options.settings("mqtt://127.0.0.1:9").alerts.outbox_path == tmp_path / "outbox.sqlite3"
    options.forget_alerts()
    options.forget_alerts()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def broken_clip() -> Iterator[VideoFrame]:
    yield from drawn_frames(1)
    raise MediaError("clip.mp4: expected a frame, got none")


async def test_a_caller_whose_video_broke_off_is_noticed(tmp_path: Path):
    source = FrameSource(broken_clip(), VideoEncoder("vp8", 160, 120, 30.0, 400_000), time.monotonic)
    subscriber = WhepSubscriber("http://127.0.0.1:9", "token", clock=time.monotonic)
    record = CallerRecord("p1", "clip.mp4", "attack")
    node = await asyncio.to_thread(bare_node, bare_settings(tmp_path))
    scene = Scene(node, "", MqttSettings(), [Member(record, source, subscriber)], "")
    scene.watch_callers()
    assert record.broke_off is None
    source.start(lambda _: None)
    await eventually(source.ended.is_set)
    await source.stop()
    scene.watch_callers()
    assert record.broke_off == "clip.mp4: expected a frame, got none"
    await subscriber.stop()
    await node._watch.desk.close(deadline=0)  # its link never ran
