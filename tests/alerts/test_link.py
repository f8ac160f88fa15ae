"""The link against real brokers: amqtt inside the process, mosquitto beside it."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from guard.alerts.broker import EmbeddedBroker
from guard.alerts.desk import AlertDesk, Birth, StatePayload, open_desk
from guard.alerts.lifecycle import AlertKind, Participant
from guard.alerts.message import parse
from guard.config.settings import AlertSettings, MqttSettings
from guard.core.types import Assessment, Family, State, Transition
from tests.support.alerts import (
    ISSUER,
    NODE,
    PATIENCE_S,
    WHO,
    WallTime,
    clearing,
    free_port,
    mosquitto,
    raising,
    updating,
    watching,
)

pytestmark = pytest.mark.media

STATUS = f"guard/v1/{NODE}/status"
STATE = f"guard/v1/{NODE}/session/demo-1/p/p-7/state"


class Node:
    """A desk with its link running, called as the analysis threads do."""

    def __init__(self, desk: AlertDesk) -> None:
        self.desk = desk
        self.link = asyncio.create_task(desk.link.run())

    async def submit(self, *steps: Transition, who: Participant = WHO) -> None:
        for step in steps:
            await asyncio.to_thread(self.desk.submit, who, step)

    async def tell(self, at: float, state: State) -> None:
        await asyncio.to_thread(self.desk.set_state, WHO, Assessment(at, 0.2, 0.8, state, 1.0))

    async def kill(self) -> None:
        """End as a crash would: nothing is said to the broker."""
        connection = self.desk.link._dialer
        del connection
        self.link.cancel()
        await asyncio.gather(self.link, return_exceptions=True)


@asynccontextmanager
async def node(url: str, folder: Path) -> AsyncIterator[Node]:
    settings = AlertSettings(outbox_path=folder / "outbox.sqlite3")
    desk = await asyncio.to_thread(open_desk, settings, MqttSettings(url=url), ISSUER, WallTime())
    desk.link._back_off._jitter = lambda: 0.1
    made = Node(desk)
    try:
        yield made
    finally:
        await desk.close(PATIENCE_S)
        await made.link
