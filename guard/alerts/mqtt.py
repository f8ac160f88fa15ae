"""Connections to a broker, and a way to watch one; the one door to aiomqtt."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from guard.alerts.address import BrokerAddress
from guard.alerts.board import Note
from guard.config.settings import MqttSettings
from guard.core.errors import DeliveryError
from guard.core.units import Seconds

Jitter: TypeAlias = Callable[[], float]
"""A random number 0..1; handed in, so that tests own it."""

ANSWER_TIMEOUT: Seconds = 5.0
"""A broker that does not answer within this time counts as gone."""

FIRST_DELAY: Seconds = 0.2
LONGEST_DELAY: Seconds = 10.0
"""Wait before connecting again: doubled each time, times a random number, so that nodes spread out."""

STEADY_AFTER: Seconds = 10.0
"""A connection that held for so long starts the back-off anew."""

SESSION_EXPIRY_S = 86400
"""How long the broker remembers our session; whether it does tells us if it may have lost letters."""

MOST_INCOMING = 10_000
"""Messages waiting in a watcher; policy drop-newest, logged by aiomqtt."""

UNSUPPORTED_VERSION = {1, 132}
"""CONNACK of MQTT 3.1.1 and of MQTT 5 for a protocol version that the broker does not speak."""


class Connection(aiomqtt.Client):
    """One connection; made anew for each attempt, since aiomqtt's clients do not outlive theirs."""

    session_present = False
    """Whether the broker remembers what it was told under our identifier."""
    _refusal: ReasonCode | None = None

    async def deliver(self, note: Note) -> None:
        """Publish and wait for the acknowledgement, one note at a time; raise DeliveryError."""
        self._refusal = None
        try:
            await self.publish(note.topic, note.payload, note.qos, note.retain)
        except aiomqtt.MqttError as error:
            raise _lost(error) from error
        if self._refusal is not None:
            msg = f"broker: refused a message at {note.topic} ({self._refusal}); grant this node its topics"
            raise DeliveryError(msg)

    async def hear(self, filters: Sequence[str]) -> None:
        """Subscribe to these topic filters; raise DeliveryError unless the broker grants all of them."""
        try:
            granted = cast("list[ReasonCode]", await self.subscribe([(one, 1) for one in filters]))
        except aiomqtt.MqttError as error:
            raise _lost(error) from error
        for one, code in zip(filters, granted, strict=False):
            if code.is_failure:  # also of MQTT 3.1.1, whose code paho translates
                msg = f"broker: refused to tell of {one} ({code}); let this user read there"
                raise DeliveryError(msg)

    async def until_lost(self) -> None:
        """Return never; raise DeliveryError when the connection breaks."""
        try:
            async for _ in self.messages:
                pass
        except aiomqtt.MqttError as error:
            raise _lost(error) from error

    def abandon(self) -> None:
        """Close the socket of an attempt that failed: aiomqtt forgets it open."""
        self._client.disconnect()

    # aiomqtt's own callbacks, for the two things that it keeps to itself

    def _on_connect(
        self,
        client: Any,
        userdata: Any,
        flags: Any,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.session_present = bool(flags.session_present)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, client: Any, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        # MQTT 5 acknowledges also what an access list forbids, with a reason
        if reason_code.is_failure:
            self._refusal = reason_code
        super()._on_publish(client, userdata, mid, reason_code, properties)


class Dialer:
    """Connects to one broker, MQTT 5 first. Raises ConfigError when ``mqtt.url`` may not be used."""

    def __init__(self, settings: MqttSettings, identifier: str | None, will: Note | None = None) -> None:
        self._settings = settings
        self._address = BrokerAddress.of(settings)
        self._identifier = identifier
        self._will = will
        self._protocol: aiomqtt.ProtocolVersion | None = None

    @property
    def protocol(self) -> str:
        """``V5`` or ``V311``; empty until a broker has answered."""
        return self._protocol.name if self._protocol else ""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A connection for as long as the block lasts; raise DeliveryError when there is none."""
        try:
            protocol = self._protocol or await self._understood()
            connection = self._connection(protocol)
            await _enter(connection)
        except aiomqtt.MqttError as error:
            self._protocol = None  # the next broker at this address may be another
            raise _lost(error) from error
        self._protocol = protocol
        try:
            yield connection
        finally:
            await _leave(connection)

    async def _understood(self) -> aiomqtt.ProtocolVersion:
        """Ask which version the broker speaks.

        The question carries neither will nor credentials nor properties: amqtt reads those of MQTT 5 as if
        they were of 3.1.1, and waits for ever for bytes that do not come.
        """
        question = Connection(
            self._address.host,
            self._address.port,
            protocol=aiomqtt.ProtocolVersion.V5,
            timeout=ANSWER_TIMEOUT,
            tls_params=self._tls(),
        )
        try:
            await _enter(question)
        except aiomqtt.MqttCodeError as error:
            number = error.rc.value if isinstance(error.rc, ReasonCode) else error.rc
            refused = number in UNSUPPORTED_VERSION
            return aiomqtt.ProtocolVersion.V311 if refused else aiomqtt.ProtocolVersion.V5
        await _leave(question)
        return aiomqtt.ProtocolVersion.V5

    def _connection(self, protocol: aiomqtt.ProtocolVersion) -> Connection:
        version5 = protocol is aiomqtt.ProtocolVersion.V5
        password, will = self._settings.password, self._will
        return Connection(
            self._address.host,
            self._address.port,
            username=self._settings.username,
            password=password.get_secret_value() if password else None,
            identifier=self._identifier,
            protocol=protocol,
            will=aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None,
            # with an identifier the broker is asked to keep our session; each version has its own word for it
            clean_session=None if version5 else self._identifier is None,
            clean_start=self._identifier is None if version5 else MQTT_CLEAN_START_FIRST_ONLY,
            properties=_remembered() if version5 and self._identifier else None,
            timeout=ANSWER_TIMEOUT,
            keepalive=self._settings.keepalive_s,
            max_queued_incoming_messages=MOST_INCOMING,
            tls_params=self._tls(),
        )

    def _tls(self) -> aiomqtt.TLSParameters | None:
        # empty parameters verify against the system's authorities, which are loaded off the loop
        return aiomqtt.TLSParameters() if self._address.tls else None


async def _enter(connection: Connection) -> None:
    """Connect, and leave no socket behind where that fails or is cancelled."""
    entering = asyncio.ensure_future(connection.__aenter__())
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        await asyncio.wait({entering})  # it connects in a thread, which cannot be stopped
        entering.exception()
        connection.abandon()
        raise
    except aiomqtt.MqttError:
        connection.abandon()
        raise


async def _leave(connection: Connection) -> None:
    with suppress(aiomqtt.MqttError):
        await connection.__aexit__(None, None, None)


class BackOff:
    """How long to wait before the next attempt (full jitter)."""

    def __init__(self, jitter: Jitter) -> None:
        self._jitter = jitter
        self._attempts = 0

    def delay(self, held: Seconds) -> Seconds:
        """The wait after a connection that held for so long."""
        if held >= STEADY_AFTER:
            self._attempts = 0
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self._attempts, 16))
        self._attempts += 1
        return longest * self._jitter()


@dataclass(frozen=True, slots=True)
class BrokerMessage:
    """What a subscriber receives."""

    topic: str
    payload: bytes
    retained: bool
    """Whether it stood at the topic before we subscribed."""


async def watch(
    settings: MqttSettings,
    filters: Sequence[str],
    *,
    identifier: str | None = None,
    on_ready: Callable[[], None] = lambda: None,
    on_lost: Callable[[DeliveryError], None] = lambda _error: None,
    jitter: Jitter = random.random,
) -> AsyncGenerator[BrokerMessage]:
    """Yield the messages of these topic filters for ever, connecting again as needed.

    Messages may come twice: remove duplicates by ``AlertMessage.message_id``. With an ``identifier`` the
    broker keeps messages while we are away. ``on_ready`` is called after each subscribing, ``on_lost`` for
    each connection that broke or did not come about. Close it with ``contextlib.aclosing``.
    """
    dialer, back_off = Dialer(settings, identifier), BackOff(jitter)
    now = asyncio.get_running_loop().time
    while True:
        held_since = now()
        try:
            async with dialer.connect() as connection:
                await connection.hear(filters)
                on_ready()
                async for message in connection.messages:
                    yield BrokerMessage(message.topic.value, message.payload, message.retain)
        except DeliveryError as error:
            on_lost(error)
        except aiomqtt.MqttError as error:
            on_lost(_lost(error))
        await asyncio.sleep(back_off.delay(now() - held_since))


def _remembered() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # of paho
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    return properties


def _lost(error: aiomqtt.MqttError) -> DeliveryError:
    return DeliveryError(f"broker: {error}; trying again until it answers")
