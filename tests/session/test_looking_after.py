"""What a node looks after by itself: one trouble hides no other, and what is given up is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from guard.core.types import VideoFrame
from guard.media.publication import PublicationStats
from guard.session.node import Node
from guard.session.rooms import Session
from guard.session.visitor import Visitor
from tests.support.media import eventually
from tests.support.node import bare_node, bare_settings, status

pytestmark = pytest.mark.unit


class Intake:
    """Sends nothing, ends when it is told to."""

    units = 0

    def __init__(self, _on_frame: Callable[[VideoFrame], None], on_closed: Callable[[str], None]) -> None:
        self._on_closed = on_closed
        self.closed: str | None = None

    def stats(self) -> PublicationStats:
        return status().media

    async def close(self, reason: str = "left") -> None:
        if self.closed is None:
            self.closed = reason
            self._on_closed(reason)


@pytest.fixture
async def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    monkeypatch.setattr("guard.session.node.CHECK_INTERVAL", 0.01)
    node = await asyncio.to_thread(bare_node, bare_settings(tmp_path))
    await node.start()
    yield node
    await node.stop()


async def join(node: Node, who: str, expires_at: float | None = None) -> Session:
    async def begin(_intake: Intake) -> str:
        await asyncio.sleep(0)
        return ""

    joined = await node._enter("demo", Visitor(who, who, expires_at), who, Intake, begin)
    return node.session(joined.session_id)


def fail() -> None:
    msg = "can't start new thread"
    raise RuntimeError(msg)


async def test_a_check_that_fails_for_ever_hides_neither_the_others_nor_the_end_of_a_token(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    await join(node, "ada")
    await join(node, "bob")
    broken, healthy = node._rooms.participants()
    checked: list[int] = []
    monkeypatch.setattr(broken.analysis, "check", fail)
    monkeypatch.setattr(healthy.analysis, "check", lambda: checked.append(1))
    await eventually(lambda: node._tasks.crashes["check"] > 10)
    assert len(checked) >= 10
    await join(node, "eve", expires_at=1.0)
    await eventually(lambda: "eve" not in {one.id for one in node._rooms.participants()})
    assert node.not_ready() == ()


@pytest.mark.virtual_time
async def test_what_was_given_up_is_a_reason_not_to_be_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    node = await asyncio.to_thread(bare_node, bare_settings(tmp_path))
    monkeypatch.setattr(node, "_end_expired", fail)
    await node.start()
    await asyncio.sleep(5.0)
    assert node.not_ready() == ()
    await asyncio.sleep(60.0)
    assert node.not_ready() == ("its expiry task crashed too often; see the log, restart",)
    await node.stop()


async def test_open_streams_and_threads_left_behind_are_counted(node: Node):
    await join(node, "ada")
    (participant,) = node._rooms.participants()
    node._watch.abandoned.add(participant.analysis._current)
    with node.events.listen(lambda _: True, "root"):
        page = node.metrics_page()[0]
    assert b"guard_listeners 1.0" in page
    assert b"guard_abandoned_threads 1.0" in page
    await node.leave(node._rooms.sessions()[0].id)
    page = node.metrics_page()[0]
    assert b"guard_listeners 0.0" in page
    assert b"guard_abandoned_threads 0.0" in page
