"""``guard watch``: what nodes say over MQTT, as it comes."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, suppress
from typing import Annotated, Any, TypeAlias

import typer
from pydantic import ValidationError
from pydantic_core import from_json
from rich.console import Console
from rich.text import Text

from guard.alerts.address import BrokerAddress
from guard.alerts.desk import StatePayload
from guard.alerts.message import parse
from guard.alerts.mqtt import BrokerMessage
from guard.alerts.mqtt import watch as listen
from guard.alerts.record import record_of
from guard.alerts.topics import segment
from guard.cli.alert_lines import alert_line, plain, state_line
from guard.cli.options import ConfigFile, wrong_use
from guard.cli.output import ReaderLeft, as_shown, write_out
from guard.cli.waiting import first, until_interrupted
from guard.config.load import load
from guard.config.settings import MqttSettings
from guard.core.errors import DeliveryError, SignallingError
from guard.core.units import Seconds
from guard.flow import loops

ANY = "+"
MOST_SEEN = 10_000
"""Messages and topics remembered, to tell news from repetitions; policy drop-oldest."""

MOST_BYTES = 65536
"""Longer payloads are none of ours (they stay under 4 KiB) and are not looked into."""

Show: TypeAlias = Callable[[BrokerMessage, Text], Awaitable[None]]
Say: TypeAlias = Callable[[str], None]


def watch(
    *,
    path: ConfigFile = None,
    url: Annotated[str | None, typer.Option(help="Broker, in place of mqtt.url.")] = None,
    node: Annotated[str, typer.Option(help="Node to watch; without it all of them.")] = ANY,
    states: Annotated[bool, typer.Option("--states", help="Show how participants are judged, too.")] = False,
    since_retained: Annotated[
        bool, typer.Option("--since-retained", help="Show first the alerts that are open now.")
    ] = False,
    until_alert: Annotated[
        float | None,
        typer.Option(
            help="End at the first open alert with exit status 0, without one after so many seconds with 1."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a message on stdout.")] = False,
) -> None:
    """Show alerts as they come over MQTT, each message once; Ctrl-C ends it.

    User name and password at the broker: mqtt.username, GUARD__MQTT__PASSWORD or ..._FILE. The lines of
    --json hold the topic, whether the message stood there before, and the message as it came. Exit status 0
    at Ctrl-C and where nobody reads stdout any more; with --until-alert as said there, and 1 also where the
    broker was not reached, which is then said on stderr.

    Example: guard watch --since-retained --url mqtts://broker.example
    """
    settings = load(path).mqtt
    if url is not None:
        settings = settings.model_copy(update={"url": url})
        with wrong_use("--url"):
            BrokerAddress.of(settings)
    with wrong_use("--node"):
        chosen = list(filters(node, states=states, active=since_retained))
    console, errors = Console(), Console(stderr=True)

    async def show(message: BrokerMessage, line: Text) -> None:
        await write_out(json_line(message) if as_json else as_shown(line, console))

    def say(words: str) -> None:
        errors.print(Text(f"guard: {words}", "dim"), soft_wrap=True)

    news, link = News(every_state=as_json), LinkWords(settings.url, say)
    following = follow(settings, chosen, news, show, link, to_alarm=until_alert is not None)
    with suppress(ReaderLeft):
        loops.run(_run(following, until_alert))
    if until_alert is not None and not link.reached:
        say(f"the broker at {settings.url} was not reached, so nobody knows whether there were alerts")
    raise typer.Exit(0 if until_alert is None or news.alarmed else 1)


async def _run(following: Coroutine[Any, Any, None], patience: Seconds | None) -> None:
    with until_interrupted() as stop, suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await first(stop.wait(), following)


async def follow(
    settings: MqttSettings,
    chosen: list[str],
    news: "News",
    show: Show,
    link: "LinkWords",
    *,
    to_alarm: bool = False,
) -> None:
    """Show what is new at these topics, for ever or up to the first open alert.

    ``link`` says how the broker does.
    """
    stream = listen(settings, chosen, on_ready=link.ready, on_lost=link.lost)
    async with aclosing(stream) as messages:
        async for message in messages:
            try:
                if (line := news.line(message)) is not None:
                    await show(message, line)
            except SignallingError as error:
                link.say(f"not understood at {plain(message.topic)}: {plain(str(error))}")
            if to_alarm and news.alarmed:
                return


def filters(node: str, *, states: bool, active: bool) -> Iterator[str]:
    """The topic filters for what is asked; raise SignallingError for a node that is no plain name."""
    prefix = f"guard/v1/{node if node == ANY else segment(node)}"
    yield f"{prefix}/alert/+"
    if active:
        yield f"{prefix}/active/+"
    if states:
        yield f"{prefix}/session/+/p/+/state"


def json_line(message: BrokerMessage) -> str:
    """The topic and the message as it came, in ASCII; an emptied topic has null. Raises SignallingError."""
    try:
        content = from_json(message.payload, allow_inf_nan=False) if message.payload else None
    except ValueError as error:
        raise SignallingError(f"expected JSON as RFC 8259 has it, got {error}") from error
    fields = {"topic": message.topic, "retained": message.retained, "message": content}
    return json.dumps(fields, separators=(",", ":")) + "\n"


class LinkWords:
    """Says once that the broker is there, gone, there again."""

    def __init__(self, url: str, say: Say) -> None:
        self.reached = False
        """Whether it was there at all."""
        self.say = say
        self._url = url
        self._connected: bool | None = None

    def ready(self) -> None:
        """The topics are subscribed."""
        self.say(f"watching {self._url}")
        self._connected = self.reached = True

    def lost(self, error: DeliveryError) -> None:
        """The connection broke, or did not come about."""
        if self._connected is not False:
            self.say(str(error))
        self._connected = False


class News:
    """Turns messages into lines, and tells news from what was said already.

    A message counts once, by its id; a state when it changed, or with ``every_state`` always.
    """

    def __init__(self, *, every_state: bool = False) -> None:
        self.alarmed = False
        """Whether an alert came that is open."""
        self._every_state = every_state
        self._seen: OrderedDict[str, object] = OrderedDict()

    def line(self, message: BrokerMessage) -> Text | None:
        """The line for people, None without news; raise SignallingError for what is none of ours."""
        if len(message.payload) > MOST_BYTES:
            msg = f"expected at most {MOST_BYTES} bytes, got {len(message.payload)}"
            raise SignallingError(msg)
        if message.topic.endswith("/state"):
            return self._state(message)
        return self._alert(message) if message.payload else None

    def _alert(self, message: BrokerMessage) -> Text | None:
        alert = parse(message.payload)
        if not self._is_new(alert.message_id, None):
            return None
        record = record_of(alert)
        self.alarmed = self.alarmed or record.status == "open"
        return alert_line(record, alert.kind).append(f" {_node(message)}", "dim")

    def _state(self, message: BrokerMessage) -> Text | None:
        if not message.payload:
            self._seen.pop(message.topic, None)
            return Text(f"{plain(message.topic)} left", "dim")
        try:
            payload = StatePayload.model_validate_json(message.payload)
        except ValidationError as error:
            msg = f"expected a participant's state, got {error.error_count()} faults"
            raise SignallingError(msg) from error
        if not self._is_new(message.topic, (payload.state, payload.reasons)) and not self._every_state:
            return None
        line = state_line(
            at=payload.at,
            state=payload.state,
            who=payload.display_name,
            participant_id=payload.participant_id,
            liveness=payload.liveness,
            deepfake=payload.deepfake,
            coverage=payload.coverage,
            reasons=payload.reasons,
        )
        return line.append(f" {_node(message)}", "dim")

    def _is_new(self, key: str, value: object) -> bool:
        if key in self._seen and self._seen[key] == value:
            return False
        self._seen[key] = value
        self._seen.move_to_end(key)
        if len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)
        return True


def _node(message: BrokerMessage) -> str:
    return plain(message.topic.split("/")[2])
