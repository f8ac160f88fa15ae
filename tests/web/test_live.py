"""Live events: whose they are, from the snapshot to the end."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from guard.config import PageSettings, WebSettings
from guard.core.types import State
from guard.session.events import WAITING, Joined, Left, StateChanged
from guard.session.node import Node
from guard.web.app import create_app
from guard.web.server import HttpServer
from guard.web.tokens import TokenIssuer
from tests.support.node import bare_node, bare_settings, status, wall

pytestmark = [pytest.mark.media, pytest.mark.peers]

NOW = 4_000_000_000.0
TOKENS = TokenIssuer("k" * 48, "call-guard")
PATIENCE = 20.0


def joined(room: str = "demo") -> Joined:
    return Joined(wall(), room, status())


def changed(owner: str = "ada", state: State = State.BONA_FIDE) -> StateChanged:
    told = status(owner=owner)
    assert told.assessment is not None
    return StateChanged(wall(), "demo", replace(told, assessment=replace(told.assessment, state=state)))


def left() -> Left:
    return Left(wall(), "demo", "p_1", "left")


def token(room: str = "demo", lifetime: float = 3600.0, owner: str = "ada", **rights: Any) -> str:
    return TOKENS.issue(owner, room, now=NOW, lifetime=lifetime, **rights)


class Stream:
    """One caller's stream, event by event."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self) -> tuple[str, Any]:
        """The next event's name and content; StopAsyncIteration at the end."""
        name = ""
        async with asyncio.timeout(PATIENCE):
            while True:
                line = await anext(self._lines)
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                if line.startswith("data: "):
                    return name, json.loads(line.removeprefix("data: "))


class House:
    """A node behind a real socket."""

    def __init__(self, node: Node, url: str) -> None:
        self.node = node
        self.url = url

    @asynccontextmanager
    async def listen(self, token: str) -> AsyncIterator[Stream]:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client,
            client.stream("GET", f"{self.url}/v1/events", headers=headers) as response,
        ):
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            async with aclosing(cast("AsyncGenerator[str, None]", response.aiter_lines())) as lines:
                yield Stream(lines)


@asynccontextmanager
async def house(folder: Path, *, show_own_state: bool = False, listeners: int = 64) -> AsyncIterator[House]:
    settings = bare_settings(folder).model_copy(
        update={"pages": PageSettings(show_own_state=show_own_state), "web": WebSettings(listeners=listeners)}
    )
    node = await asyncio.to_thread(bare_node, settings)
    await node.start()
    try:
        app = create_app(node, TOKENS, settings, lambda: datetime.fromtimestamp(NOW, UTC))
        async with HttpServer(app, WebSettings(port=0)) as server:
            yield House(node, server.url)
            node.drain()
            await node.stop()
    finally:
        await node.stop()


async def test_an_administrator_hears_everything(tmp_path: Path) -> None:
    async with house(tmp_path) as here, here.listen(token(admin=True, room="any")) as stream:
        assert await stream.next() == ("snapshot", {"rooms": [], "alerts": []})
        for event in (joined(), changed(), left()):
            here.node.events.post(event)
        name, told = await stream.next()
        assert (name, told["room"], told["participant"]["name"]) == ("joined", "demo", "Ada")
        name, told = await stream.next()
        assert (name, told["participant"]["liveness"], told["participant"]["state"]) == (
            "state",
            0.9,
            "bona_fide",
        )
        assert await stream.next() == ("left", {"room": "demo", "participant_id": "p_1", "reason": "left"})


async def test_whom_nobody_could_judge_has_no_score(tmp_path: Path) -> None:
    async with house(tmp_path) as here, here.listen(token(admin=True)) as stream:
        await stream.next()
        here.node.events.post(changed(state=State.INSUFFICIENT))
        _, told = await stream.next()
        assert (told["participant"]["liveness"], told["participant"]["deepfake"]) == (None, None)


async def test_a_guest_hears_who_is_in_the_room_and_no_score(tmp_path: Path) -> None:
    async with house(tmp_path) as here, here.listen(token(subscribe=True)) as stream:
        assert await stream.next() == ("snapshot", {"room": {"id": "demo", "participants": []}})
        here.node.events.post(joined(room="other"))
        here.node.events.post(changed())
        here.node.events.post(joined())
        shown = {"id": "p_1", "name": "Ada", "whep": "/whep/demo/p_1"}
        assert await stream.next() == ("joined", {"room": "demo", "participant": shown})


async def test_a_guest_hears_their_own_state_where_the_policy_allows_it(tmp_path: Path) -> None:
    async with house(tmp_path, show_own_state=True) as here, here.listen(token(publish=True)) as stream:
        await stream.next()
        here.node.events.post(changed(owner="eve"))
        here.node.events.post(changed())
        name, told = await stream.next()
        assert name == "state"
        assert told["participant"] == {"id": "p_1", "state": "bona_fide", "reasons": []}


async def test_a_slow_listener_is_told_what_it_missed(tmp_path: Path) -> None:
    async with house(tmp_path) as here, here.listen(token(admin=True)) as stream:
        await stream.next()
        for _ in range(WAITING + 5):  # all of them before the stream gets its turn
            here.node.events._hand_out(left())
        assert await stream.next() == ("dropped", {"count": 5})
        assert (await stream.next())[0] == "left"


async def test_the_stream_ends_with_the_token(tmp_path: Path) -> None:
    async with house(tmp_path) as here, here.listen(token(admin=True, lifetime=0.2)) as stream:
        await stream.next()
        with pytest.raises(StopAsyncIteration):
            await stream.next()


async def test_a_node_that_stops_says_so_and_ends_the_stream(tmp_path: Path) -> None:
    async with house(tmp_path) as here, here.listen(token(publish=True)) as stream:
        await stream.next()
        here.node.drain()
        assert (await stream.next())[0] == "stopping"
        await here.node.stop()
        with pytest.raises(StopAsyncIteration):
            await stream.next()


async def test_one_stream_too_many_is_told_to_come_again(tmp_path: Path) -> None:
    async with house(tmp_path, listeners=1) as here, here.listen(token(admin=True)) as stream:
        await stream.next()
        headers = {"Authorization": f"Bearer {token(admin=True)}"}
        async with httpx.AsyncClient(trust_env=False) as client:
            refused = await client.get(f"{here.url}/v1/events", headers=headers)
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"


async def test_a_place_is_given_back(tmp_path: Path) -> None:
    async with house(tmp_path, listeners=1) as here:
        for _ in range(3):
            async with here.listen(token(admin=True)) as stream:
                await stream.next()
            async with asyncio.timeout(PATIENCE):
                while here.node.events._listeners:  # noqa: ASYNC110 -- the server hears of the end a little later
                    await asyncio.sleep(0)
