"""A node without engines, for tests of what stands on it, and its endpoint without HTTP."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx

from guard.alerts.desk import open_desk
from guard.alerts.message import Issuer
from guard.config import AlertSettings, MqttSettings, Settings, WebSettings
from guard.core.errors import GuardError
from guard.core.types import Assessment, FaceView, State, VideoFrame
from guard.core.units import Seconds, WallClock
from guard.decision.judge import ParticipantJudge
from guard.detectors.base import Detector
from guard.media.publication import PublicationStats
from guard.session.events import Events
from guard.session.leaving import Leaving
from guard.session.node import Joined, Node
from guard.session.participant import Watch
from guard.session.pipeline import FaceSource, Pipeline
from guard.session.status import ParticipantStatus
from guard.session.visitor import Visitor
from guard.telemetry.metrics import Metrics
from guard.telemetry.stamps import StageTimes
from tests.support.media import LOOPBACK


def wall() -> datetime:
    """The date in tests."""
    return datetime(2026, 1, 1, tzinfo=UTC)


def status(name: str = "Ada", owner: str = "ada") -> ParticipantStatus:
    """Somebody who is judged."""
    seen = Assessment(1.0, 0.2, 0.9, State.BONA_FIDE, 1.0, (), (), 1)
    nothing = PublicationStats(None, 0, 0, 0, 0, 0.0, 0, 0, 0, 0, 0, 0, {}, None)
    return ParticipantStatus(
        id="p_1",
        name=name,
        owner=owner,
        assessment=seen,
        judged_fps=8.0,
        media=nothing,
        joined_at=wall(),
        device_label="",
        notice_shown_at=None,
        degraded=False,
        first_judged_s=0.1,
        relayed=True,
    )


class NoFaces:
    """Finds no face in any frame."""

    def observe(self, frame: VideoFrame, now: Seconds) -> tuple[FaceView, ...]:
        del frame, now
        return ()

    def close(self) -> None:
        """Nothing is held."""


def bare_settings(folder: Path) -> Settings:
    """Loopback only, a free port, and a broker that is not there."""
    return Settings(
        web=WebSettings(port=0),
        ice=LOOPBACK,
        mqtt=MqttSettings(url="mqtt://127.0.0.1:9", node="test"),
        alerts=AlertSettings(outbox_path=folder / "outbox.sqlite3"),
    )


def shared_watch(
    settings: Settings,
    make_faces: Callable[[], FaceSource] = NoFaces,
    make_detectors: Callable[[], tuple[Detector, ...]] = tuple,
    wall: WallClock = wall,
) -> Watch:
    """What the participants of a node share, its outbox opened."""
    issuer = Issuer("test", "0", 0.85)

    def make_pipeline(judge: ParticipantJudge) -> Pipeline:
        return Pipeline(make_faces, make_detectors, judge, time.monotonic)

    desk = open_desk(settings.alerts, settings.mqtt, issuer, wall)
    return Watch(
        settings,
        make_pipeline,
        desk,
        issuer,
        Events(settings.web.listeners),
        Metrics(),
        StageTimes(),
        time.monotonic,
        wall,
        Leaving(desk, time.monotonic),
    )


def bare_node(settings: Settings) -> Node:
    """A node that takes calls and sees no faces in them."""
    return Node(shared_watch(settings), ())


class NodeEndpoint(httpx.AsyncBaseTransport):
    """WHIP and WHEP of a node in this process, for one visitor; what the node raises is raised."""

    def __init__(self, node: Node, visitor: Visitor) -> None:
        self.node = node
        self.visitor = visitor

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "OPTIONS":
            return httpx.Response(204)
        if request.method == "DELETE":
            return await self._end(path.rpartition("/")[2])
        joined = await self._join(path, (await request.aread()).decode())
        watch = f"<{path.replace('whip', 'whep')}/{joined.participant_id}>; rel=related"
        headers = {"Location": f"{path}/{joined.session_id}", "Link": watch}
        return httpx.Response(201, text=joined.answer, headers=headers)

    async def _join(self, path: str, offer: str) -> Joined:
        _, kind, room, *participant = path.split("/")
        if kind == "whip":
            return await self.node.publish(room, self.visitor, offer)
        return await self.node.subscribe(room, participant[0], self.visitor, offer)

    async def _end(self, session_id: str) -> httpx.Response:
        try:
            await self.node.leave(session_id)
        except GuardError:  # it has ended already
            return httpx.Response(404)
        return httpx.Response(200)
