"""How a node is doing: what keeps it from taking calls, what else is wrong, its figures."""

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from guard.session.participant import Watch
from guard.session.rooms import Rooms

if TYPE_CHECKING:
    from datetime import datetime


class Health:
    """Reads the state of a node, as often as it is asked. Belongs to the event loop.

    ``given_up`` names the node's own tasks that crashed too often.
    """

    def __init__(self, watch: Watch, rooms: Rooms, given_up: Callable[[], Iterable[str]]) -> None:
        self.draining = False
        """Whether the node is about to stop."""
        self._watch = watch
        self._rooms = rooms
        self._given_up = given_up
        self._away_since: datetime | None = None

    def check(self) -> None:
        """Note since when the broker is away; call it about once a second."""
        if self._watch.desk.stats().link.connected:
            self._away_since = None
        elif self._away_since is None:
            self._away_since = self._watch.wall()

    def not_ready(self) -> tuple[str, ...]:
        """Why the node should get no new calls; a missing broker is no reason, alerts wait for it.

        Everybody may read it: it counts nothing.
        """
        reasons = ["the node is stopping"] if self.draining else []
        reasons += [f"its {name} task crashed too often; see the log, restart" for name in self._given_up()]
        if self._watch.desk.stats().held:
            reasons.append("the outbox takes no alerts; free disk space")
        return tuple(reasons)

    def degraded(self) -> tuple[str, ...]:
        """Participants who are not judged any more, and why."""
        people = self._rooms.participants()
        return tuple(f"{one.id}: {one.analysis.given_up}" for one in people if one.analysis.given_up)

    def warnings(self) -> tuple[str, ...]:
        """What is wrong though calls can be taken."""
        found = list(self.degraded())
        stats = self._watch.desk.stats()
        if self._away_since is not None:
            since = self._away_since.isoformat(timespec="seconds")
            found.append(f"the broker is away since {since}: {stats.link.pending} alerts wait in the outbox")
        if stats.held:
            found.append(f"{stats.held} alerts are held in memory: the outbox takes none; free disk space")
        if stats.lost:
            found.append(f"{stats.lost} alerts were lost: the outbox took none for too long; free disk space")
        if any(one.analysis.held_up for one in self._rooms.participants()):
            found.append("analyses wait for the outbox: its disk is slow, or another process locks the file")
        return tuple(found)

    def payload(self) -> bytes:
        """The node's figures as JSON, for the topic ``health``."""
        people = [one.status() for one in self._rooms.participants()]
        stages = self._watch.stages.summary()
        figures = {
            "rooms": len(self._rooms),
            "participants": len(people),
            "judged_fps": {status.id: round(status.judged_fps, 2) for status in people},
            "stage_ms": {stage: {"p50": times.p50, "p95": times.p95} for stage, times in stages.items()},
            "outbox_pending": self._watch.desk.stats().link.pending,
            "not_ready": self.not_ready(),
            "warnings": self.warnings(),
        }
        return json.dumps(figures).encode()
