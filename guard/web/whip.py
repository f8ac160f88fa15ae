"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) over one node."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.exceptions import HTTPException

from guard.core.errors import SignallingError
from guard.session.node import Joined, Node
from guard.web.access import authorise_room, authorise_session, bearer, node_of
from guard.web.tokens import Grant

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
FRAGMENT_LINES = ("a=candidate:", "a=end-of-candidates", "a=ice-ufrag:")
"""A fragment without any of these says nothing (RFC 8840 section 9)."""

PUBLICATION = "/whip/{room}/{session}"
SUBSCRIPTION = "/whep/{room}/{participant}/{session}"

router = APIRouter(tags=["webrtc"])

RoomId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Room id.")]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Id made by the node.")]
Caller = Annotated[Grant, Depends(bearer)]
TheNode = Annotated[Node, Depends(node_of)]


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


async def own_publication(room: RoomId, session: Id, caller: Caller, node: TheNode) -> str:
    """The id of a publisher's session, once the caller may touch it."""
    authorise_session(caller, node, room, session)
    return session


async def own_subscription(room: RoomId, participant: Id, session: Id, caller: Caller, node: TheNode) -> str:
    """The id of a subscriber's session, once the caller may touch it."""
    authorise_session(caller, node, room, session, participant)
    return session


Offer = Annotated[str, Depends(sdp_body)]
Fragment = Annotated[str, Depends(fragment_body)]
Publication = Annotated[str, Depends(own_publication)]
Subscription = Annotated[str, Depends(own_subscription)]


@router.post("/whip/{room}", status_code=201, response_class=Response)
async def publish(room: RoomId, caller: Caller, node: TheNode, offer: Offer) -> Response:
    """Start publishing: offer in, answer out."""
    authorise_room(caller, room, "publish")
    joined = await node.publish(room, caller.subject, caller.owner, offer)
    return _created(
        f"/whip/{room}", joined, {"Link": f'</whep/{room}/{joined.participant_id}>; rel="related"'}
    )


@router.post("/whep/{room}/{participant}", status_code=201, response_class=Response)
async def subscribe(room: RoomId, participant: Id, caller: Caller, node: TheNode, offer: Offer) -> Response:
    """Start receiving one participant: offer in, answer out."""
    authorise_room(caller, room, "subscribe")
    joined = await node.subscribe(room, participant, caller.owner, offer)
    return _created(f"/whep/{room}/{participant}", joined, {})


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
async def accepts_publish(room: RoomId) -> Response:
    """Say what a POST here takes."""
    del room
    return Response(status_code=204, headers={"Accept-Post": SDP})


@router.options("/whep/{room}/{participant}", status_code=204, response_class=Response)
async def accepts_subscribe(room: RoomId, participant: Id) -> Response:
    """Say what a POST here takes."""
    del room, participant
    return Response(status_code=204, headers={"Accept-Post": SDP})


def _created(base: str, joined: Joined, headers: dict[str, str]) -> Response:
    location = {"Location": f"{base}/{joined.session_id}", "ETag": _entity_tag(joined.session_id)}
    return Response(joined.answer, 201, location | headers, SDP)


def _entity_tag(session_id: str) -> str:
    # a session has one ICE session, as long as there is no ICE restart
    return f'"{session_id}"'


def _check_entity_tag(request: Request) -> None:
    """RFC 9725 section 4.3.1: 428 without If-Match, 412 where it names another ICE session."""
    given = ",".join(request.headers.getlist("if-match"))
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
