"""A small MQTT broker inside the process, for the demo and tests; the one door to amqtt (MQTT 3.1.1 only)."""

import logging
from types import TracebackType
from typing import TYPE_CHECKING, Self

from guard.core.addresses import is_loopback
from guard.core.errors import ConfigError, EnvironmentProblem

if TYPE_CHECKING:
    from amqtt.broker import Broker  # type: ignore[import-untyped]  # amqtt carries no types

QUIET = ("amqtt", "transitions")
"""Loggers that report every refused MQTT 5 client as a warning; our own link falls back and says so."""


class EmbeddedBroker:
    """Anonymous, in memory, on loopback only. ``port`` 0 takes a free one, known after ``start``."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        if not is_loopback(host):
            msg = (
                f"embedded broker: expected a loopback address, got {host!r}; it knows no passwords, "
                f"so run a broker such as mosquitto for other machines"
            )
            raise ConfigError(msg)
        self.host = host
        self.port = port
        self._broker: Broker | None = None

    @property
    def url(self) -> str:
        """What to put into ``mqtt.url``."""
        return f"mqtt://{self.host}:{self.port}"

    async def start(self) -> None:
        """Listen; raise EnvironmentProblem when amqtt is not installed or the port is taken."""
        try:
            # an optional dependency, and slow to import
            from amqtt.broker import Broker  # noqa: PLC0415 -- see above
            from amqtt.contexts import (  # type: ignore[import-untyped]  # noqa: PLC0415 -- see above, no types
                BrokerConfig,
                ListenerConfig,
            )
            from amqtt.errors import BrokerError  # type: ignore[import-untyped]  # noqa: PLC0415 -- see above
        except ImportError as error:
            msg = "embedded broker: amqtt is not installed; run: pip install 'call-guard[demo]'"
            raise EnvironmentProblem(msg) from error
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        broker = Broker(
            BrokerConfig(
                listeners={"default": ListenerConfig(bind=f"{self.host}:{self.port}")},
                plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            )
        )
        try:
            await broker.start()
        except BrokerError as error:
            msg = f"embedded broker: cannot listen on {self.host}:{self.port} ({error}); choose another port"
            raise EnvironmentProblem(msg) from error
        self.port = _bound_port(broker)
        self._broker = broker

    async def stop(self) -> None:
        """Close every connection and stop listening; harmless when not started."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.shutdown()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _bound_port(broker: "Broker") -> int:
    # amqtt has no public way to learn which port 0 became
    server = broker._servers["default"].instance  # noqa: SLF001 -- see above
    return int(server.sockets[0].getsockname()[1])
