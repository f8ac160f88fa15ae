"""Who may do what: every route asks here, on the object that it is about."""

from typing import Literal

from fastapi import Request
from starlette.exceptions import HTTPException

from guard.core.errors import NotFoundError
from guard.session.node import Node
from guard.web.tokens import Grant, MissingTokenError, TokenIssuer


def node_of(request: Request) -> Node:
    """The node that this app serves."""
    node = request.app.state.node
    assert isinstance(node, Node)  # noqa: S101 -- set once by create_app
    return node


def bearer(request: Request) -> Grant:
    """Check the Bearer token (RFC 6750); raise TokenError, answered 401."""
    issuer: TokenIssuer = request.app.state.tokens
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        msg = "expected an `Authorization: Bearer <token>` header, got none; ask for a token of this node"
        raise MissingTokenError(msg)
    return issuer.check(token.strip())


def authorise_room(caller: Grant, room: str, action: Literal["publish", "subscribe"]) -> None:
    """Let the caller act in a room, or answer 403."""
    allowed = caller.publish if action == "publish" else caller.subscribe
    if caller.room != room or not allowed:
        raise HTTPException(403, f"this token does not grant `{action}` in that room; ask for one that does")


def authorise_session(
    caller: Grant, node: Node, room: str, session_id: str, publisher: str | None = None
) -> None:
    """Let the caller touch a session of its own; anybody else's looks as if it did not exist (404)."""
    if not _is_own(caller, node, room, session_id, publisher):
        msg = "no such session; it has ended, or it is somebody else's"
        raise NotFoundError(msg)


def _is_own(caller: Grant, node: Node, room: str, session_id: str, publisher: str | None) -> bool:
    try:
        session = node.session(session_id)
    except NotFoundError:
        return False
    same_place = session.room == room == caller.room and session.publisher == publisher
    return same_place and session.owner == caller.owner


def authorise_admin(caller: Grant) -> None:
    """Let only administrators pass, or answer 403."""
    if not caller.admin:
        raise HTTPException(403, "this token does not grant `admin`; ask for one that does")
