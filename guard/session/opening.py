"""Opens a node: everything that it needs is loaded and checked before the first call."""

from functools import partial

import guard
from guard.alerts.desk import open_desk
from guard.alerts.message import EngineDigest, Issuer
from guard.config import Settings
from guard.core.units import Clock, WallClock
from guard.decision.judge import ParticipantJudge
from guard.detectors.registry import build_detectors
from guard.faces.landmarker import load_model
from guard.faces.tracker import FaceTracker
from guard.inference.open import LoadedEngine
from guard.media.relays.opening import usable_relay
from guard.media.transport import check_adapter
from guard.session.events import Events
from guard.session.leaving import Leaving
from guard.session.networks import open_networks
from guard.session.node import Node
from guard.session.participant import Watch
from guard.session.pipeline import Pipeline
from guard.telemetry.metrics import Metrics
from guard.telemetry.stamps import StageTimes


def open_node(settings: Settings, clock: Clock, wall: WallClock) -> Node:
    """Build a node: check the adapter, the face model and the engines, open the outbox. Reads files: blocks.

    Raises EnvironmentProblem, ModelError or ConfigError, each naming what was found and how to mend it.
    """
    check_adapter()
    settings = settings.model_copy(update={"media": usable_relay(settings.media)})
    make_faces = partial(FaceTracker, settings.faces, load_model(settings.faces))
    make_faces().close()  # what is missing is told now, and the first caller does not wait for MediaPipe
    networks = open_networks(settings.analysis)
    engines = tuple(loaded for _, loaded in networks)
    make_detectors = partial(build_detectors, networks)

    def make_pipeline(judge: ParticipantJudge) -> Pipeline:
        return Pipeline(make_faces, make_detectors, judge, clock)

    issuer = _issuer(settings, engines)
    desk = open_desk(settings.alerts, settings.mqtt, issuer, wall)
    watch = Watch(
        settings,
        make_pipeline,
        desk,
        issuer,
        Events(settings.web.listeners),
        Metrics(),
        StageTimes(),
        clock,
        wall,
        Leaving(desk, clock),
    )
    return Node(watch, engines)


def _issuer(settings: Settings, engines: tuple[LoadedEngine, ...]) -> Issuer:
    digests = tuple(
        EngineDigest(name=one.manifest.engine.name, sha256=one.manifest.engine.sha256) for one in engines
    )
    terms = tuple(one.manifest.engine.terms() for one in engines)
    return Issuer(settings.mqtt.node, guard.__version__, settings.decision.raise_at, digests, terms)
