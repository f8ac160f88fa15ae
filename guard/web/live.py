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
from guard.session.events import Event, EventKind, Listener
from guard.session.node import Node
from guard.web.access import Action, Caller, TheNode, authorise, settings_of
from guard.web.problems import REFUSALS
from guard.web.rest import room_or_none
from guard.web.tokens import Grant
from guard.web.views import AlertView, GuestRoomView, GuestView, ParticipantView, RoomView

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


class Joined(BaseModel):
    """Somebody began to publish."""

    room: str
    participant: ParticipantView | GuestView


class Left(BaseModel):
    """Somebody ended."""

    room: str
    participant_id: str
    reason: str


class StateChanged(BaseModel):
    """How somebody is judged now."""

    room: str
    participant: ParticipantView


class Dropped(BaseModel):
    """This stream was too slow: so many events are missing from it, join anew for a snapshot."""

    count: int


async def listener(request: Request, caller: Caller, node: TheNode) -> AsyncIterator[Listener]:
    """The caller's place at the events; given back when the stream ends."""
    if not caller.admin:
        authorise(caller, Action.ENTER, caller.room)
    shows_own_state = settings_of(request).pages.show_own_state
    with node.events.listen(lambda event: _concerns(caller, event, shows_own_state=shows_own_state)) as place:
        yield place


@router.get("/events", response_class=EventSourceResponse)
async def events(
    caller: Caller, node: TheNode, place: Annotated[Listener, Depends(listener)], request: Request
) -> AsyncIterator[ServerSentEvent]:
    """What happens, as it happens, from a snapshot on; the stream ends with the token.

    Administrators hear everything of the node, others who comes to and leaves the room of their token.
    """
    left: Seconds = caller.expires_at - request.app.state.wall().timestamp()
    yield ServerSentEvent(event="snapshot", data=await _snapshot(caller, node))
    told = 0
    ends_at = asyncio.get_running_loop().time() + left
    async with aclosing(place.events()) as stream:
        while (event := await _next(stream, ends_at)) is not None:
            if place.dropped > told:
                yield ServerSentEvent(event="dropped", data=Dropped(count=place.dropped - told))
                told = place.dropped
            yield ServerSentEvent(event=event.kind, data=_told(caller, event))


async def _next(stream: AsyncIterator[Event], ends_at: Seconds) -> Event | None:
    try:
        async with asyncio.timeout_at(ends_at):
            return await anext(stream, None)
    except TimeoutError:
        return None


async def _snapshot(caller: Grant, node: Node) -> AdministratorSnapshot | GuestSnapshot:
    if not caller.admin:
        return GuestSnapshot(room=GuestRoomView.of(caller.room, room_or_none(node, caller.room)))
    alerts = [AlertView.of(record) for record in await node.alerts(OPEN_ALERTS, open_only=True)]
    return AdministratorSnapshot(rooms=[RoomView.of(room) for room in node.rooms()], alerts=alerts)


def _concerns(caller: Grant, event: Event, *, shows_own_state: bool) -> bool:
    """Whether the caller may hear of it."""
    if caller.admin or event.kind is EventKind.STOPPING:
        return True
    if event.room != caller.room:
        return False
    if event.kind is EventKind.STATE:
        return shows_own_state and event.owner == caller.owner
    return event.kind in {EventKind.JOINED, EventKind.LEFT}


def _told(caller: Grant, event: Event) -> BaseModel | dict[str, str]:
    room = event.room or ""
    match event:
        case Event(kind=EventKind.JOINED, participant=status) if status is not None:
            view = ParticipantView.of(room, status) if caller.admin else GuestView.of(room, status)
            return Joined(room=room, participant=view)
        case Event(kind=EventKind.STATE, participant=status) if status is not None:
            return StateChanged(room=room, participant=ParticipantView.of(room, status))
        case Event(kind=EventKind.LEFT, participant_id=who):
            return Left(room=room, participant_id=who or "", reason=event.reason or "")
        case Event(kind=EventKind.ALERT, alert=message) if message is not None:
            return AlertView.of(record_of(message))
    return {}
