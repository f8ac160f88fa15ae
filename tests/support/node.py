"""A node without engines, for tests of what stands on it."""

import time
from datetime import UTC, datetime
from pathlib import Path

from guard.alerts.desk import open_desk
from guard.alerts.message import Issuer
from guard.config import AlertSettings, MediaSettings, MqttSettings, Settings, WebSettings
from guard.core.types import FaceView, VideoFrame
from guard.core.units import Seconds
from guard.decision.judge import ParticipantJudge
from guard.session.node import Node
from guard.session.participant import Watch
from guard.session.pipeline import Pipeline
from guard.telemetry.metrics import Metrics
from guard.telemetry.stamps import StageTimes
from tests.support.media import LOOPBACK


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


def bare_node(settings: Settings) -> Node:
    """A node that takes calls and sees no faces in them."""
    issuer = Issuer("test", "0", 0.85)
    desk = open_desk(settings.alerts, settings.mqtt, issuer, lambda: datetime(2026, 1, 1, tzinfo=UTC))

    def make_pipeline() -> Pipeline:
        return Pipeline(NoFaces, lambda: (), ParticipantJudge(settings.decision), time.monotonic)

    watch = Watch(
        MediaSettings(), settings.ice, 8.0, make_pipeline, desk, Metrics(), StageTimes(), time.monotonic
    )
    return Node(settings, watch, ())
