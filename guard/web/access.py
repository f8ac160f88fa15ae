"""Who may do what: every route asks here, on the object that it is about."""

from dataclasses import dataclass
from typing import Literal

from fastapi import Request
from starlette.exceptions import HTTPException

from guard.core.errors import NotFoundError
from guard.session.node import Node
from guard.web.tokens import Grant, TokenError, TokenIssuer


@dataclass(frozen=True, slots=True)
class Bearer:
    """A caller whose token was checked."""

    grant: Grant

    @property
    def token_id(self) -> str:
        """The token's ``jti``: a session belongs to the token that made it."""
        return self.grant.token_id


def node_of(request: Request) -> Node:
    """The node that this app serves."""
    node = request.app.state.node
    assert isinstance(node, Node)  # noqa: S101 -- set once by create_app
    return node


def bearer(request: Request) -> Bearer:
    """Check the Bearer token (RFC 6750); raise TokenError, answered 401."""
    issuer: TokenIssuer = request.app.state.tokens
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        msg = "expected an `Authorization: Bearer <token>` header, got none; ask for a token of this node"
        raise TokenError(msg)
    return Bearer(issuer.check(token.strip()))


def authorise_room(caller: Bearer, room: str, action: Literal["publish", "subscribe"]) -> Grant:
    """Let the caller act in a room, or answer 403."""
    grant = caller.grant
    allowed = grant.publish if action == "publish" else grant.subscribe
    if grant.room != room or not allowed:
        raise HTTPException(403, f"this token does not grant `{action}` in that room; ask for one that does")
    return grant


def authorise_session(
    caller: Bearer, node: Node, room: str, session_id: str, publisher: str | None = None
) -> None:
    """Let the caller touch a session of its own; anybody else's looks as if it did not exist (404)."""
    session = node.session(session_id)
    own = session.room == room and session.token_id == caller.token_id
    if not own or session.publisher != publisher:
        msg = "no such session; it has ended, or it belongs to another token"
        raise NotFoundError(msg)


def authorise_admin(caller: Bearer) -> None:
    """Let only administrators pass, or answer 403."""
    if not caller.grant.admin:
        raise HTTPException(403, "this token does not grant `admin`; ask for one that does")
