"""Who may do what: every route that asks for a token asks here, about the object that it loaded."""

from enum import Enum, auto, unique
from typing import Annotated, TypeAlias

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from guard.config import Settings
from guard.core.errors import NotFoundError
from guard.session.events import AlertTold, Event, Joined, Left, StateChanged, Stopping
from guard.session.node import Node
from guard.session.rooms import Session
from guard.web.tokens import Grant, MissingTokenError, TokenIssuer


@unique
class Action(Enum):
    """What a caller wants to do."""

    PUBLISH = auto()
    """Send video to a room."""
    SUBSCRIBE = auto()
    """Receive a participant of a room."""
    ENTER = auto()
    """Learn who is in a room."""
    HEAR = auto()
    """Be told of an event."""
    CONTROL = auto()
    """Change or end a session."""
    ADMINISTER = auto()
    """See how everybody of the node is judged, and handle alerts."""


Target: TypeAlias = Session | Event | str | None
"""A session, an event, the id of a room, or the node."""


def permits(caller: Grant, action: Action, target: Target = None) -> bool:  # noqa: PLR0911 -- a table
    """Whether the caller may do this to that: the one place where it is decided."""
    match action, target:
        case Action.ADMINISTER, None:
            return caller.admin
        case Action.CONTROL, Session() as session:
            return caller.room == session.room and caller.owner == session.owner
        case Action.PUBLISH, str(room):
            return caller.room == room and caller.publish
        case Action.SUBSCRIBE, str(room):
            return caller.room == room and caller.subscribe
        case Action.ENTER, str(room):
            return caller.admin or (caller.room == room and (caller.publish or caller.subscribe))
        case Action.HEAR, Stopping():
            return True
        case Action.HEAR, Joined() | Left():
            return caller.admin or caller.room == target.room
        case Action.HEAR, StateChanged():
            own = caller.room == target.room and caller.owner == target.participant.owner
            return caller.admin or own
        case Action.HEAR, AlertTold():
            return caller.admin
    return False


def authorise(caller: Grant, action: Action, target: Target = None) -> None:
    """Let the caller do this to that, or answer 403.

    Raise NotFoundError for a session of somebody else: it looks as if it did not exist.
    """
    if permits(caller, action, target):
        return
    if action is Action.CONTROL:
        raise NotFoundError(NO_SUCH_SESSION)
    raise HTTPException(403, f"this token does not grant `{action.name.lower()}` here; ask for one that does")


NO_SUCH_SESSION = "no such session; it has ended, or it is somebody else's"


async def node_of(request: Request) -> Node:
    """The node that this app serves."""
    node = request.app.state.node
    assert isinstance(node, Node)  # noqa: S101 -- set once by create_app
    return node


def settings_of(request: Request) -> Settings:
    """The settings of this app."""
    settings = request.app.state.settings
    assert isinstance(settings, Settings)  # noqa: S101 -- same
    return settings


SCHEME = HTTPBearer(bearerFormat="JWT", auto_error=False, description="A join token of this node.")
"""For the OpenAPI document; ``bearer`` reads the header itself, to say what is wrong with it."""


async def bearer(request: Request, _scheme: Annotated[object, Security(SCHEME)] = None) -> Grant:
    """Check the Bearer token (RFC 6750); raise TokenError, answered 401."""
    issuer: TokenIssuer = request.app.state.tokens
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        msg = "expected an `Authorization: Bearer <token>` header, got none; ask for a token of this node"
        raise MissingTokenError(msg)
    return issuer.check(token.strip())


TheNode = Annotated[Node, Depends(node_of)]
Caller = Annotated[Grant, Depends(bearer)]


async def administrator(caller: Caller) -> Grant:
    """Let administrators in, or answer 403."""
    authorise(caller, Action.ADMINISTER)
    return caller


Administrator = Annotated[Grant, Depends(administrator)]
