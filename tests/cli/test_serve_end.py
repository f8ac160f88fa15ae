"""The end of ``guard serve``: one deadline, whatever waits, hangs or is slow."""

import asyncio
import socket
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from guard.cli import serve
from guard.cli.serve import serve_until
from guard.core.types import FaceView, VideoFrame
from guard.core.units import Seconds
from guard.media.publication import PublicationStats
from guard.session.node import Node
from guard.session.visitor import Visitor
from guard.web.tokens import TokenIssuer
from tests.support.alerts import raising
from tests.support.media import eventually
from tests.support.node import bare_settings, shared_watch, status

pytestmark = [pytest.mark.media, pytest.mark.peers]

TOKENS = TokenIssuer("k" * 48, "call-guard")
LEAVERS = 8
WITHIN = 3.0


class Hanging:
    """Hangs in every frame until the test lets it go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.gate = threading.Event()

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple[FaceView, ...]:
        del frame, now
        self.entered.set()
        assert self.gate.wait(60.0)
        return ()

    def close(self) -> None:
        """Nothing is held."""


class Intake:
    """Sends nothing, ends when it is told to."""

    units = 0

    def __init__(self, _on_frame: Callable[[VideoFrame], None], on_closed: Callable[[str], None]) -> None:
        self._on_closed = on_closed
        self._closed = False

    def stats(self) -> PublicationStats:
        return status().media

    async def close(self, reason: str = "left") -> None:
        if not self._closed:
            self._closed = True
            self._on_closed(reason)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process has the outbox."""
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()


@pytest.fixture
def hanging() -> Hanging:
    return Hanging()


@pytest.fixture
async def node(tmp_path: Path, hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    monkeypatch.setattr(serve, "STOP_WITHIN", WITHIN)
    monkeypatch.setattr(serve, "LAST_CALL", 0.2)
    monkeypatch.setattr("guard.alerts.outbox.BUSY_TIMEOUT_S", 20.0)  # as a disk that does not answer
    settings = bare_settings(tmp_path)
    watch = await asyncio.to_thread(shared_watch, settings, lambda: hanging)
    yield Node(watch, ())
    hanging.gate.set()
    await eventually(lambda: not watch.desk._lock.locked())
    await asyncio.to_thread(watch.desk._outbox.close)


async def join_with_open_alert(node: Node, number: int) -> None:
    async def begin(_intake: Intake) -> str:
        await asyncio.sleep(0)
        return ""

    who = f"p_{number}"
    await node._enter("demo", Visitor(who, who), who, Intake, begin)
    participant = node._rooms.room("demo").participants[who]
    await asyncio.to_thread(node._watch.desk.submit, participant.subject, raising(1.0))


async def test_the_end_comes_in_time_whatever_hangs(node: Node, hanging: Hanging):
    settings, stop, said = node._settings, asyncio.Event(), asyncio.Queue[str]()
    serving = asyncio.create_task(serve_until(stop, node, TOKENS, settings, said.put_nowait))
    port = int((await said.get()).rpartition(":")[2])
    for number in range(LEAVERS):
        await join_with_open_alert(node, number)
    half = np.zeros((24, 32), np.uint8)
    node._rooms.participants()[0].analysis.offer(
        VideoFrame(np.zeros((48, 64), np.uint8), half, half, 1.0, 1.0, 1.0)
    )
    assert await asyncio.to_thread(hanging.entered.wait, 20.0)
    token = TOKENS.issue("root", "demo", now=time.time(), admin=True)  # noqa: TID251 -- tokens are dated
    with (
        socket.create_connection(("127.0.0.1", port)) as slow,
        socket.create_connection(("127.0.0.1", port)) as listener,
    ):
        slow.sendall(b"POST /whip/demo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nv")
        listener.sendall(
            f"GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        await eventually(lambda: len(node.events))
        with locked(settings.alerts.outbox_path):
            began = time.monotonic()
            stop.set()
            await serving
            assert time.monotonic() - began < WITHIN + 0.5
            assert not node._rooms.participants()
