"""Rooms and alerts over REST."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from guard.web.access import Action, Administrator, Caller, TheNode, authorise
from guard.web.problems import REFUSALS
from guard.web.views import AlertView, GuestRoomView, RoomView
from guard.web.whip import RoomId

router = APIRouter(prefix="/v1", tags=["rest"], responses=REFUSALS)

AlertId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$", description="Alert id.")]


class Acknowledgement(BaseModel):
    """Somebody looks after an alert."""

    reason: str = Field("", max_length=200)


class Suppression(BaseModel):
    """An alert that nobody needs to hear of for a while."""

    reason: str = Field(min_length=1, max_length=200)
    minutes: float = Field(30.0, ge=0.0, le=24 * 60)
    """0 ends a suppression."""


@router.get("/rooms")
async def rooms(caller: Administrator, node: TheNode) -> list[RoomView]:
    """The rooms and who is in them."""
    del caller
    return [RoomView.of(room) for room in node.rooms()]


@router.get("/rooms/{room}")
async def room(room: RoomId, caller: Caller, node: TheNode) -> RoomView | GuestRoomView:
    """One room: all of it for administrators, who is there for those who may join it."""
    authorise(caller, Action.ENTER, room)
    return RoomView.of(node.room(room)) if caller.admin else GuestRoomView.of(room, node.find_room(room))


@router.get("/alerts")
async def alerts(
    caller: Administrator,
    node: TheNode,
    limit: Annotated[int, Query(ge=1, le=1000, description="At most so many.")] = 100,
    *,
    open_only: Annotated[bool, Query(alias="open", description="Only those that are open.")] = False,
) -> list[AlertView]:
    """The newest alerts, newest first; those of earlier runs too, as long as the outbox keeps them."""
    del caller
    return [AlertView.of(record) for record in await node.alerts(limit, open_only=open_only)]


@router.post("/alerts/{alert}/ack")
async def acknowledge(
    alert: AlertId, caller: Administrator, node: TheNode, given: Acknowledgement
) -> AlertView:
    """Say that you look after an alert."""
    return AlertView.of(await node.acknowledge(alert, caller.name, given.reason))


@router.post("/alerts/{alert}/suppress")
async def suppress(alert: AlertId, caller: Administrator, node: TheNode, given: Suppression) -> AlertView:
    """Hear nothing more of an open alert, and of its like about this participant, for some minutes."""
    return AlertView.of(await node.suppress(alert, caller.name, given.reason, given.minutes))
