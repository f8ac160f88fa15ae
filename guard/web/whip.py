"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) over one node."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.exceptions import HTTPException

from guard.core.errors import SignallingError
from guard.session.node import Joined, Node
from guard.web.access import Bearer, authorise_room, authorise_session, bearer, node_of

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

router = APIRouter(tags=["webrtc"])

RoomId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Room id.")]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Id made by the node.")]
Caller = Annotated[Bearer, Depends(bearer)]
TheNode = Annotated[Node, Depends(node_of)]


async def sdp_body(request: Request) -> str:
    """The request's body as an SDP text; raise SignallingError or 413/415."""
    return await _text_body(request, SDP)


async def fragment_body(request: Request) -> str:
    """The request's body as a trickle ICE fragment (RFC 8840)."""
    return await _text_body(request, FRAGMENT)


@router.post("/whip/{room}", status_code=201, response_class=Response)
async def publish(
    room: RoomId, caller: Caller, node: TheNode, offer: Annotated[str, Depends(sdp_body)]
) -> Response:
    """Start publishing: offer in, answer out."""
    grant = authorise_room(caller, room, "publish")
    joined = await node.publish(room, grant.subject, grant.token_id, offer)
    return _created(
        f"/whip/{room}", joined, {"Link": f'</whep/{room}/{joined.participant_id}>; rel="related"'}
    )


@router.post("/whep/{room}/{participant}", status_code=201, response_class=Response)
async def subscribe(
    room: RoomId, participant: Id, caller: Caller, node: TheNode, offer: Annotated[str, Depends(sdp_body)]
) -> Response:
    """Start receiving one participant: offer in, answer out."""
    authorise_room(caller, room, "subscribe")
    joined = await node.subscribe(room, participant, caller.token_id, offer)
    return _created(f"/whep/{room}/{participant}", joined, {})


@router.patch("/whip/{room}/{session}", status_code=204, response_class=Response)
async def trickle(
    room: RoomId, session: Id, caller: Caller, node: TheNode, fragment: Annotated[str, Depends(fragment_body)]
) -> Response:
    """Take further ICE candidates of a publisher."""
    authorise_session(caller, node, room, session)
    await node.add_candidates(session, fragment)
    return Response(status_code=204)


@router.patch("/whep/{room}/{participant}/{session}", status_code=204, response_class=Response)
async def trickle_subscriber(
    room: RoomId,
    participant: Id,
    session: Id,
    caller: Caller,
    node: TheNode,
    fragment: Annotated[str, Depends(fragment_body)],
) -> Response:
    """Take further ICE candidates of a subscriber."""
    authorise_session(caller, node, room, session, participant)
    await node.add_candidates(session, fragment)
    return Response(status_code=204)


@router.delete("/whip/{room}/{session}", response_class=Response)
async def unpublish(room: RoomId, session: Id, caller: Caller, node: TheNode) -> Response:
    """Stop publishing."""
    authorise_session(caller, node, room, session)
    await node.leave(session)
    return Response(status_code=200)


@router.delete("/whep/{room}/{participant}/{session}", response_class=Response)
async def unsubscribe(room: RoomId, participant: Id, session: Id, caller: Caller, node: TheNode) -> Response:
    """Stop receiving."""
    authorise_session(caller, node, room, session, participant)
    await node.leave(session)
    return Response(status_code=200)


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
    location = {"Location": f"{base}/{joined.session_id}", "ETag": f'"{joined.session_id}"'}
    return Response(joined.answer, 201, location | headers, SDP)


async def _text_body(request: Request, media_type: str) -> str:
    came = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if came != media_type:
        raise HTTPException(415, f"expected Content-Type {media_type}, got {came or 'none'}")
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError as error:
        msg = f"expected UTF-8 text, got byte {error.object[error.start]:#04x} at {error.start}"
        raise SignallingError(msg) from error
