"""What a node tells over MQTT, for tests of those who listen."""

from datetime import UTC, datetime, timedelta

from guard.alerts.board import Note
from guard.alerts.desk import StatePayload
from guard.alerts.lifecycle import AlertBook, AlertEvent, Participant
from guard.alerts.message import encode
from guard.alerts.mqtt import BrokerMessage, Dialer
from guard.alerts.topics import Topics
from guard.config.settings import AlertSettings, MqttSettings
from guard.core.types import Family, State
from tests.support.alerts import ISSUER, NODE, WHO, clearing, raising

TOPICS = Topics(NODE)
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def life(who: Participant = WHO, family: Family = Family.MANIPULATION) -> list[AlertEvent]:
    """An alert that rises and clears."""
    book = AlertBook(AlertSettings(), lambda _: "0193-alert")
    return [
        *book.handle(who, raising(1.0, family), 1.0, NOW),
        *book.handle(who, clearing(9.0), 9.0, NOW + timedelta(seconds=8)),
    ]


def at_alert(event: AlertEvent) -> BrokerMessage:
    """An alert's message at its topic."""
    return BrokerMessage(TOPICS.alert(event.alert_id), encode(event, ISSUER), retained=False)


def at_state(state: State = State.BONA_FIDE, name: str = "Ada") -> BrokerMessage:
    """A participant\'s retained state."""
    payload = StatePayload(
        at=NOW,
        session_id="c-1",
        participant_id="p-7",
        display_name=name,
        state=state,
        liveness=None if state is State.INSUFFICIENT else 0.93,
        deepfake=None if state is State.INSUFFICIENT else 0.07,
        coverage=0.8,
        reasons=("turned",),
        alerts=(),
    )
    return BrokerMessage(TOPICS.state("c-1", "p-7"), payload.model_dump_json().encode(), retained=True)


async def tell(settings: MqttSettings, *notes: Note) -> None:
    """Publish these notes."""
    async with Dialer(settings, None).connect() as connection:
        for note in notes:
            await connection.deliver(note)


def notes_of(event: AlertEvent) -> tuple[Note, Note]:
    """An event as it stands at its two topics."""
    payload = encode(event, ISSUER)
    return (
        Note(TOPICS.alert(event.alert_id), payload, retain=False),
        Note(TOPICS.active(event.alert_id), payload),
    )
