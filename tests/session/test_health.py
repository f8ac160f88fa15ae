"""What a node says of how it is doing."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from guard.alerts.desk import DeskStats
from guard.alerts.link import LinkStats
from guard.config import MediaSettings
from guard.session.health import Health
from guard.session.rooms import Rooms
from guard.telemetry.metrics import Metrics
from tests.support.alerts import WallTime
from tests.support.node import bare_settings, shared_watch

pytestmark = pytest.mark.unit


class ScriptedDesk:
    """Says of itself what the test wants."""

    def __init__(self) -> None:
        self.connected = True
        self.pending = self.held = self.lost = 0

    def stats(self) -> DeskStats:
        link = LinkStats(
            connected=self.connected,
            protocol="V5",
            connections=1,
            sent=0,
            pending=self.pending,
            dropped_notes=0,
        )
        return DeskStats(link, self.held, self.lost)


class Setup:
    """The health of a node without calls."""

    def __init__(self, folder: Path) -> None:
        self.desk = ScriptedDesk()
        self.wall = WallTime()
        watch = shared_watch(bare_settings(folder), wall=self.wall)
        watch.desk._outbox.close()
        watch = replace(watch, desk=self.desk)  # type: ignore[arg-type]  # a desk in all that is asked here
        self.given_up: list[str] = []
        self.health = Health(watch, Rooms(MediaSettings(), Metrics()), lambda: self.given_up)


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def test_a_node_in_good_order_has_nothing_to_say(setup: Setup):
    setup.health.check()
    assert setup.health.not_ready() == ()
    assert setup.health.warnings() == ()
    assert setup.health.degraded() == ()


def test_a_missing_broker_is_told_since_when_and_keeps_no_call_away(setup: Setup):
    setup.wall.now = datetime(2026, 5, 4, 9, 30, 15, 123456, UTC)
    setup.desk.connected, setup.desk.pending = False, 3
    setup.health.check()
    setup.wall.turn(60)
    setup.health.check()
    assert setup.health.not_ready() == ()
    (warning,) = setup.health.warnings()
    assert warning == "the broker is away since 2026-05-04T09:30:15+00:00: 3 alerts wait in the outbox"
    setup.desk.connected = True
    setup.health.check()
    assert setup.health.warnings() == ()


def test_what_keeps_calls_away_is_told_with_what_mends_it(setup: Setup):
    setup.desk.held = 2
    setup.given_up.append("expiry")
    assert setup.health.not_ready() == (
        "its expiry task crashed too often; see the log, restart",
        "the outbox takes no alerts; free disk space",
    )
    setup.health.draining = True
    assert setup.health.not_ready()[0] == "the node is stopping"


def test_how_many_alerts_are_held_is_told_to_administrators(setup: Setup):
    setup.desk.held = 2
    assert setup.health.warnings()[0].startswith("2 alerts are held in memory")


def test_lost_alerts_are_told(setup: Setup):
    setup.desk.lost = 7
    assert setup.health.warnings()[0].startswith("7 alerts were lost")


def test_the_figures_are_json_with_reasons_and_warnings(setup: Setup):
    setup.desk.lost = 1
    setup.health.draining = True
    figures = json.loads(setup.health.payload())
    assert figures["not_ready"] == ["the node is stopping"]
    assert len(figures["warnings"]) == 1
    assert (figures["rooms"], figures["participants"], figures["outbox_pending"]) == (0, 0, 0)
