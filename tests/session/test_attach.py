"""Beside an SFU: one node pulls a participant from another by WHEP, and watches it like its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path

import httpx
import pytest

from guard.config import MediaSettings, Settings
from guard.core.errors import GuardError, NotFoundError
from guard.core.types import VideoFrame
from guard.media.client import WhipPublisher
from guard.session.events import Left
from guard.session.node import Joined
from guard.session.visitor import Visitor
from tests.support.calls import ADA, House, house, moving_pattern
from tests.support.media import RefusingEndpoint, eventually
from tests.support.node import NodeEndpoint, bare_settings

pytestmark = [pytest.mark.media, pytest.mark.peers]

GUEST = Visitor("guest", "guest")


class SilentEndpoint(httpx.AsyncBaseTransport):
    """Takes a request and never answers."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        del request
        await asyncio.Event().wait()
        raise AssertionError


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[House]:
    """The server beside which we stand."""
    (tmp_path / "far").mkdir()
    async with house(bare_settings(tmp_path / "far")) as far:
        yield far


@pytest.fixture
async def publisher(far: House) -> AsyncIterator[WhipPublisher]:
    publisher = far.publisher()
    await publisher.start()
    yield publisher
    await publisher.stop()


def near_settings(tmp_path: Path, **media: float) -> Settings:
    limits = {"media": MediaSettings.model_validate(media)}
    return bare_settings(tmp_path).model_copy(update=limits)


async def attach(near: House, far: House, publisher: WhipPublisher) -> Joined:
    assert publisher.watch_url is not None
    http = NodeEndpoint(far.node, GUEST)
    return await near.node.attach("side", GUEST, publisher.watch_url, "t", http=http)


async def left(near: House) -> str | None:
    """Wait until somebody has left; why they did."""
    with near.node.events.listen(lambda event: isinstance(event, Left), "test") as listener:
        async with asyncio.timeout(20):
            async for event in listener.events():
                assert isinstance(event, Left)
                return event.reason
    raise AssertionError


async def test_who_is_pulled_is_judged_and_raises_alerts(
    tmp_path: Path, far: House, publisher: WhipPublisher
):
    async with house(near_settings(tmp_path), value=0.999) as near:
        joined = await attach(near, far, publisher)
        assert joined.answer == ""
        await eventually(lambda: near.watch.desk.stats().link.pending)
        (status,) = near.node.room("side").participants
        assert (status.id, status.name) == (joined.participant_id, "guest")
        assert (status.media.codec, status.media.width, status.media.height) == ("vp8", 96, 64)
        assert status.media.decoded
        assert status.judged_fps
        await near.node.leave(joined.session_id)
        assert near.people() == []
        await eventually(lambda: far.node.room("demo").subscribers == 0)


async def test_who_is_pulled_is_not_relayed(tmp_path: Path, far: House, publisher: WhipPublisher):
    async with house(near_settings(tmp_path)) as near:
        joined = await attach(near, far, publisher)
        with pytest.raises(NotFoundError, match="pulled from elsewhere"):
            await near.node.subscribe("side", joined.participant_id, ADA, "v=0")
        await near.node.add_candidates(joined.session_id, "a=end-of-candidates")  # there is nobody to tell


async def test_the_end_of_the_source_ends_the_participant(
    tmp_path: Path, far: House, publisher: WhipPublisher
):
    async with house(near_settings(tmp_path)) as near:
        await attach(near, far, publisher)
        reason, _ = await asyncio.gather(left(near), publisher.stop())
        assert reason == "source_ended"
        await near.empty()


async def test_a_source_that_sends_nothing_is_left(tmp_path: Path, far: House):
    def short() -> Iterator[VideoFrame]:
        return islice(moving_pattern(), 10)

    publisher = far.publisher(frames=short())
    await publisher.start()
    async with house(near_settings(tmp_path, idle_timeout_s=0.5)) as near:
        await attach(near, far, publisher)
        assert await left(near) == "idle"
    await publisher.stop()


async def test_pictures_beyond_the_limit_end_it(tmp_path: Path, far: House, publisher: WhipPublisher):
    async with house(near_settings(tmp_path, max_pixels=96 * 64 - 1)) as near:
        await attach(near, far, publisher)
        assert await left(near) == "frame_policy"


async def test_units_beyond_the_limit_are_not_taken(tmp_path: Path, far: House, publisher: WhipPublisher):
    async with house(near_settings(tmp_path, max_access_unit_bytes=10)) as near:
        await attach(near, far, publisher)
        await eventually(lambda: near.people()[0].media.dropped.get("assemble.oversize"))
        assert near.people()[0].media.units == 0


@pytest.mark.parametrize(
    "response", [None, httpx.Response(403, text="no"), httpx.Response(201, text="no SDP")]
)
async def test_a_refusal_leaves_nothing(tmp_path: Path, response: httpx.Response | None):
    async with house(near_settings(tmp_path)) as near:
        with pytest.raises(GuardError):
            await near.node.attach("side", GUEST, "http://far/whep/x", "t", http=RefusingEndpoint(response))
        assert near.people() == []
        assert not near.node._rooms.sessions()


async def test_one_that_is_ended_while_it_joins_leaves_nothing(tmp_path: Path):
    async with house(near_settings(tmp_path)) as near:
        joining = asyncio.create_task(
            near.node.attach("side", GUEST, "http://far/whep/x", "t", http=SilentEndpoint())
        )
        await eventually(near.node._rooms.sessions)
        assert near.people() == []  # nobody is shown who has not begun
        await near.node.stop()
        with pytest.raises(NotFoundError, match="ended before"):
            await joining
        assert near.node._rooms.sessions() == []


async def test_one_that_is_cancelled_while_it_joins_leaves_nothing(tmp_path: Path):
    async with house(near_settings(tmp_path)) as near:
        joining = asyncio.create_task(
            near.node.attach("side", GUEST, "http://far/whep/x", "t", http=SilentEndpoint())
        )
        await eventually(near.node._rooms.sessions)
        assert near.people() == []  # nobody is shown who has not begun
        joining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joining
        assert near.node._rooms.sessions() == []
