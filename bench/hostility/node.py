"""The node under attack: all of ``guard`` but faces and engines, in a process of its own."""

import asyncio
import os
import secrets
import sys
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from bench.relaying.process import Actor
from guard.cli.clock import wall
from guard.cli.main import SWITCH_INTERVAL
from guard.media.publication import Publication
from guard.session.events import Left
from guard.session.node import Node
from guard.telemetry import log
from guard.web.app import create_app
from guard.web.server import HttpServer
from guard.web.tokens import TokenIssuer
from tests.support.node import bare_settings, shared_watch

AUDIENCE = bare_settings(Path()).web.token_audience


def token(key: str, room: str, name: str) -> str:
    """Lets somebody publish and subscribe in a room for an hour."""
    return TokenIssuer(key, AUDIENCE).issue(name, room, now=wall().timestamp(), publish=True, subscribe=True)


class NodeUnderAttack(Actor):
    """A node on loopback; whatever the process says goes to the file ``log`` in its folder."""

    def __init__(self, key: str, folder: Path) -> None:
        self._key = key
        self._folder = folder
        self._left: dict[str, str] = {}
        self._watched: dict[str, Publication] = {}
        self._stack = AsyncExitStack()
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Take calls; return the address."""
        written = os.open(self._folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(written, sys.stderr.fileno())
        log.configure("warning", json_lines=True)
        sys.setswitchinterval(SWITCH_INTERVAL)
        settings = bare_settings(self._folder)
        self._node = await asyncio.to_thread(Node, shared_watch(settings, wall=wall), ())
        await self._node.start()
        self._stack.push_async_callback(self._node.stop)
        issuer = TokenIssuer(self._key, settings.web.token_audience)
        server = HttpServer(create_app(self._node, issuer, settings, wall), settings.web)
        http = await self._stack.enter_async_context(server)
        self._listening = asyncio.create_task(self._listen())
        return http.url

    async def _listen(self) -> None:
        with self._node.events.listen(lambda event: isinstance(event, Left), "bench") as listener:
            async for event in listener.events():
                if isinstance(event, Left):
                    self._left[event.room] = event.reason

    def left(self) -> dict[str, str]:
        """Why the last participant who left each room did."""
        return self._left

    def watch(self, room: str) -> None:
        """From now on ``took`` can be asked about the publisher of a room, also when it has left."""
        (participant,) = self._node._rooms.room(room).participants.values()  # noqa: SLF001 -- what it holds is looked at only
        assert isinstance(participant.intake, Publication)
        self._watched[room] = participant.intake

    def took(self, room: str) -> dict[str, int]:
        """What a watched publisher sent that was read: ``taken``, and what was dropped by reason."""
        publication = self._watched[room]
        track = publication._video_track  # noqa: SLF001 -- same
        assert track is not None
        return publication.stats().dropped | {"taken": track.packets}

    def refused(self) -> dict[str, int]:
        """What the calls that run were sent and did not take, by reason, all together."""
        counts: Counter[str] = Counter()
        for room in self._node.rooms():
            for one in room.participants:
                counts.update(one.media.dropped)
        return dict(counts)

    async def stop(self) -> None:
        """End every call, then the node."""
        await self._stack.aclose()
        if self._listening is not None:
            await self._listening


def new_key() -> str:
    """A key for tokens."""
    return secrets.token_urlsafe(48)
