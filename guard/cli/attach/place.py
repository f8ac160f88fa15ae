"""A node name and an outbox of its own for each ``guard attach`` on a machine."""

from collections.abc import Callable, Iterator
from contextlib import suppress

from guard.alerts.outbox import OutboxInUseError, in_use
from guard.config import Settings
from guard.core.errors import CapacityError
from guard.session.node import Node

MOST_PLACES = 32
"""Attached commands on one machine with the same configuration."""

LONGEST_NODE = 50
"""Characters of the node's name that go before ``-attach-1``: names in topics have at most 64."""


def open_in_own_place(settings: Settings, open_node: Callable[[Settings], Node]) -> Node:
    """Open a node with a name and an outbox that nobody else on this machine uses at the same time.

    A node throws another of its name off the broker, and sends the other's alerts. So each command takes the
    first place that is free, ``NODE-attach-1`` and so on, and with it what waits in that place's outbox.
    Raises CapacityError where none is free, and what ``open_node`` raises.
    """
    for place in places(settings):
        if not in_use(place.alerts.outbox_path):
            with suppress(OutboxInUseError):  # another command was faster
                return open_node(place)
    kept = str(settings.alerts.outbox_path)
    msg = f"attach: expected fewer than {MOST_PLACES} beside {kept!r}, there are as many; end one"
    raise CapacityError(msg)


def places(settings: Settings) -> Iterator[Settings]:
    """The settings for each place."""
    kept, node = settings.alerts.outbox_path, settings.mqtt.node[:LONGEST_NODE]
    for number in range(1, MOST_PLACES + 1):
        outbox = kept.with_name(f"{kept.stem}-attach-{number}{kept.suffix}")
        alerts = settings.alerts.model_copy(update={"outbox_path": outbox})
        mqtt = settings.mqtt.model_copy(update={"node": f"{node}-attach-{number}"})
        yield settings.model_copy(update={"alerts": alerts, "mqtt": mqtt})
