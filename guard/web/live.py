"""Live events as server-sent events, each caller's own share of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from guard.alerts.record import record_of
from guard.core.units import Seconds
from guard.session.events import AlertTold, Event, Joined, Left, Listener, StateChanged, Stopping
from guard.web.access import Action, Caller, TheNode, authorise, permits, settings_of
from guard.web.problems import REFUSALS
from guard.web.tokens import Grant
from guard.web.views import AlertView, GuestRoomView, GuestView, OwnView, ParticipantView, RoomView

router = APIRouter(prefix="/v1", tags=["live"], responses=REFUSALS)

OPEN_ALERTS = 100
"""Open alerts in a snapshot."""


class AdministratorSnapshot(BaseModel):
    """The node when the stream began."""

    rooms: list[RoomView]
    alerts: list[AlertView]


class GuestSnapshot(BaseModel):
    """The room when the stream began."""

    room: GuestRoomView


class JoinedView(BaseModel):
    """Somebody began to publish."""

    room: str
    participant: ParticipantView | GuestView


class LeftView(BaseModel):
    """Somebody ended."""

    room: str
    participant_id: str
    reason: str


class StateView(BaseModel):
    """How somebody is judged now."""

    room: str
    participant: ParticipantView | OwnView


class StoppingView(BaseModel):
    """The node is about to end."""


class Dropped(BaseModel):
    """This stream was too slow: so many events are missing from it, join anew for a snapshot."""

    count: int


async def listener(request: Request, caller: Caller, node: TheNode) -> AsyncIterator[Listener]:
    """The caller's place at the events; given back when the stream ends."""
    authorise(caller, Action.ENTER, caller.room)
    pages = settings_of(request).pages

    def wants(event: Event) -> bool:
        shown = caller.admin or pages.show_own_state or not isinstance(event, StateChanged)
        return shown and permits(caller, Action.HEAR, event)

    with node.events.listen(wants, f"{caller.room}/{caller.owner}", reserved=caller.admin) as place:
        yield place


async def snapshot(caller: Caller, node: TheNode) -> AdministratorSnapshot | GuestSnapshot:
    """How things stand; taken once the caller has a place, so that nothing is missed in between."""
    if not caller.admin:
        return GuestSnapshot(room=GuestRoomView.of(caller.room, node.find_room(caller.room)))
    alerts = [AlertView.of(record) for record in await node.alerts(OPEN_ALERTS, open_only=True)]
    return AdministratorSnapshot(rooms=[RoomView.of(room) for room in node.rooms()], alerts=alerts)


Place = Annotated[Listener, Depends(listener)]
Beginning = Annotated[AdministratorSnapshot | GuestSnapshot, Depends(snapshot)]


@router.get("/events", response_class=EventSourceResponse)
async def events(
    request: Request, caller: Caller, place: Place, beginning: Beginning
) -> AsyncIterator[ServerSentEvent]:
    """What happens, as it happens, from a snapshot on; the stream ends with the token.

    Administrators hear everything of the node, others who comes to and leaves the room of their token.
    """
    left: Seconds = caller.expires_at - request.app.state.wall().timestamp()
    ends_at = asyncio.get_running_loop().time() + left
    yield ServerSentEvent(event="snapshot", data=beginning)
    told = 0
    async with aclosing(place.events()) as stream:
        while (event := await _next(stream, ends_at)) is not None:
            if place.dropped > told:
                yield ServerSentEvent(event="dropped", data=Dropped(count=place.dropped - told))
                told = place.dropped
            yield ServerSentEvent(event=event.name, data=_told(caller, event))


async def _next(stream: AsyncIterator[Event], ends_at: Seconds) -> Event | None:
    try:
        async with asyncio.timeout_at(ends_at):
            return await anext(stream, None)
    except TimeoutError:
        return None


def _told(caller: Grant, event: Event) -> BaseModel:
    match event:
        case Joined(room=room, participant=status):
            joined = ParticipantView.of(room, status) if caller.admin else GuestView.of(room, status)
            return JoinedView(room=room, participant=joined)
        case StateChanged(room=room, participant=status):
            seen = ParticipantView.of(room, status) if caller.admin else OwnView.of(status)
            return StateView(room=room, participant=seen)
        case Left(room=room, participant_id=who, reason=reason):
            return LeftView(room=room, participant_id=who, reason=reason)
        case AlertTold(alert=message):
            return AlertView.of(record_of(message))
        case Stopping():
            return StoppingView()
