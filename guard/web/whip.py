"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) over one node."""

from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import AwareDatetime
from starlette.exceptions import HTTPException

from guard.core.errors import NotFoundError, SignallingError
from guard.media.turn import link_value, servers_for
from guard.session.node import Joined, Node
from guard.session.rooms import Session
from guard.session.visitor import Visitor
from guard.web.access import NO_SUCH_SESSION, Action, Caller, TheNode, authorise, bearer, settings_of
from guard.web.problems import REFUSALS

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
FRAGMENT_LINES = ("a=candidate:", "a=end-of-candidates", "a=ice-ufrag:")
"""A fragment without any of these says nothing (RFC 8840 section 9)."""

PUBLICATION = "/whip/{room}/{session}"
SUBSCRIPTION = "/whep/{room}/{participant}/{session}"

LONGEST_LABEL = 200
"""Characters of a device's label that are kept."""

router = APIRouter(tags=["webrtc"], responses=REFUSALS)

RoomId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Room id.")]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Id made by the node.")]


async def sdp_body(request: Request) -> str:
    """The request's body as an SDP text; raise SignallingError or 415."""
    return await _text_body(request, SDP)


async def fragment_body(request: Request) -> str:
    """The request's body as a trickle ICE fragment (RFC 8840) for this ICE session; raise 4xx errors."""
    _check_entity_tag(request)
    text = await _text_body(request, FRAGMENT)
    if not any(line.startswith(FRAGMENT_LINES) for line in text.splitlines()):
        msg = "expected an SDP fragment with a=candidate or a=end-of-candidates (RFC 8840), got neither"
        raise SignallingError(msg)
    return text


async def may_publish(room: RoomId, caller: Caller) -> None:
    """Let publishers of this room in, before anything of theirs is read."""
    authorise(caller, Action.PUBLISH, room)


async def may_subscribe(room: RoomId, caller: Caller) -> None:
    """Let subscribers of this room in, before anything of theirs is read."""
    authorise(caller, Action.SUBSCRIBE, room)


async def own_publication(room: RoomId, session: Id, caller: Caller, node: TheNode) -> str:
    """The id of a publisher's session, once the caller may touch it."""
    authorise(caller, Action.CONTROL, _session(node, room, session, None))
    return session


async def own_subscription(room: RoomId, participant: Id, session: Id, caller: Caller, node: TheNode) -> str:
    """The id of a subscriber's session, once the caller may touch it."""
    authorise(caller, Action.CONTROL, _session(node, room, session, participant))
    return session


async def visitor(
    caller: Caller,
    device_label: Annotated[
        str, Header(alias="Guard-Device-Label", description="The camera's name, percent-encoded UTF-8.")
    ] = "",
    notice_shown_at: Annotated[
        AwareDatetime | None,
        Header(alias="Guard-Notice-Shown-At", description="When the visitor accepted the notice, RFC 3339."),
    ] = None,
) -> Visitor:
    """Who joins, as their token and their page say."""
    label = unquote(device_label, errors="replace")[:LONGEST_LABEL]
    known_as = caller.subject if caller.subject != caller.name else ""
    return Visitor(
        name=caller.name,
        owner=caller.owner,
        expires_at=caller.expires_at,
        external_id=known_as,
        device_label=label,
        notice_shown_at=notice_shown_at,
    )


async def ice_servers(request: Request, caller: Caller) -> list[str]:
    """The STUN and TURN servers for this caller, as ``Link`` values (RFC 9725 section 4.6)."""
    servers = servers_for(settings_of(request).ice, caller.owner, request.app.state.wall().timestamp())
    return [link_value(server) for server in servers]


Offer = Annotated[str, Depends(sdp_body)]
Fragment = Annotated[str, Depends(fragment_body)]
Publication = Annotated[str, Depends(own_publication)]
Subscription = Annotated[str, Depends(own_subscription)]
Joining = Annotated[Visitor, Depends(visitor)]
IceServers = Annotated[list[str], Depends(ice_servers)]


@router.post("/whip/{room}", status_code=201, response_class=Response, dependencies=[Depends(may_publish)])
async def publish(room: RoomId, node: TheNode, joining: Joining, offer: Offer, links: IceServers) -> Response:
    """Start publishing: offer in, answer out."""
    joined = await node.publish(room, joining, offer)
    watch = f'</whep/{room}/{joined.participant_id}>; rel="related"'
    return _created(f"/whip/{room}", joined, [watch, *links])


@router.post(
    "/whep/{room}/{participant}",
    status_code=201,
    response_class=Response,
    dependencies=[Depends(may_subscribe)],
)
async def subscribe(  # noqa: PLR0917 -- FastAPI gives them by name
    room: RoomId, participant: Id, node: TheNode, joining: Joining, offer: Offer, links: IceServers
) -> Response:
    """Start receiving one participant: offer in, answer out."""
    joined = await node.subscribe(room, participant, joining, offer)
    return _created(f"/whep/{room}/{participant}", joined, links)


@router.patch(PUBLICATION, status_code=204, response_class=Response)
async def trickle(session: Publication, node: TheNode, fragment: Fragment) -> Response:
    """Take further ICE candidates of a publisher."""
    await node.add_candidates(session, fragment)
    return Response(status_code=204)


@router.patch(SUBSCRIPTION, status_code=204, response_class=Response)
async def trickle_subscriber(session: Subscription, node: TheNode, fragment: Fragment) -> Response:
    """Take further ICE candidates of a subscriber."""
    await node.add_candidates(session, fragment)
    return Response(status_code=204)


@router.delete(PUBLICATION, response_class=Response)
async def unpublish(session: Publication, node: TheNode) -> Response:
    """Stop publishing."""
    await node.leave(session)
    return Response(status_code=200)


@router.delete(SUBSCRIPTION, response_class=Response)
async def unsubscribe(session: Subscription, node: TheNode) -> Response:
    """Stop receiving."""
    await node.leave(session)
    return Response(status_code=200)


@router.api_route(PUBLICATION, methods=["GET", "HEAD", "POST", "PUT"], include_in_schema=False)
@router.api_route(SUBSCRIPTION, methods=["GET", "HEAD", "POST", "PUT"], include_in_schema=False)
async def session_takes_no_other() -> Response:
    """Name every method that a session takes; the router would name those of one handler only."""
    raise HTTPException(405, "expected DELETE or PATCH on a session", {"Allow": "DELETE, PATCH"})


@router.options("/whip/{room}", status_code=204, response_class=Response)
async def accepts_publish(request: Request, room: RoomId) -> Response:
    """Say what a POST here takes, and to bearers of a token which STUN and TURN servers there are."""
    return await _accepts(request, Action.PUBLISH, room)


@router.options("/whep/{room}/{participant}", status_code=204, response_class=Response)
async def accepts_subscribe(request: Request, room: RoomId, participant: Id) -> Response:
    """Say what a POST here takes, and to bearers of a token which STUN and TURN servers there are."""
    del participant
    return await _accepts(request, Action.SUBSCRIBE, room)


async def _accepts(request: Request, action: Action, room: str) -> Response:
    answer = Response(status_code=204, headers={"Accept-Post": SDP})
    if "authorization" in request.headers:
        caller = await bearer(request)
        authorise(caller, action, room)
        _add_links(answer, await ice_servers(request, caller))
    return answer


def _created(base: str, joined: Joined, links: list[str]) -> Response:
    location = {"Location": f"{base}/{joined.session_id}", "ETag": _entity_tag(joined.session_id)}
    answer = Response(joined.answer, 201, location, SDP)
    _add_links(answer, links)
    return answer


def _add_links(answer: Response, links: list[str]) -> None:
    for link in links:
        answer.headers.append("Link", link)


def _session(node: Node, room: str, session_id: str, publisher: str | None) -> Session:
    """The session at this address; raise NotFoundError."""
    try:
        session = node.session(session_id)
    except NotFoundError:
        session = None
    if session is None or (session.room, session.publisher) != (room, publisher):
        raise NotFoundError(NO_SUCH_SESSION)
    return session


def _entity_tag(session_id: str) -> str:
    # a session has one ICE session, as long as there is no ICE restart
    return f'"{session_id}"'


def _check_entity_tag(request: Request) -> None:
    """RFC 9725 section 4.3.1: 428 without If-Match, 412 where it names another ICE session.

    A subscriber may leave it out, as the player of npm's whip-whep does: a session has one ICE session only.
    """
    given = ",".join(request.headers.getlist("if-match"))
    if not given and "participant" in request.path_params:
        return
    if not given:
        raise HTTPException(428, "expected If-Match with the ETag of the 201 answer, got none; send it")
    # the RFC's example writes the asterisk as "*"
    matching = {"*", '"*"', _entity_tag(request.path_params["session"])}
    if matching.isdisjoint(tag.strip() for tag in given.split(",")):
        raise HTTPException(412, "expected If-Match with the ETag of the 201 answer, got another one")


async def _text_body(request: Request, media_type: str) -> str:
    came = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if came != media_type:
        raise HTTPException(415, f"expected Content-Type {media_type}, got {came or 'none'}")
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError as error:
        msg = f"expected UTF-8 text, got byte {error.object[error.start]:#04x} at {error.start}"
        raise SignallingError(msg) from error
