"""The HTTP application of one node."""

from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import guard
from guard.config import WebSettings
from guard.core.types import Reason, State
from guard.session.node import Node
from guard.session.participant import ParticipantStatus
from guard.web import problems, whip
from guard.web.access import authorise_admin, bearer, node_of
from guard.web.tokens import Grant, TokenIssuer

TheNode = Annotated[Node, Depends(node_of)]
Caller = Annotated[Grant, Depends(bearer)]


class ParticipantView(BaseModel):
    """One participant as the REST side shows it."""

    id: str
    name: str
    state: State
    liveness: float | None
    """Null until the first frame was judged, like ``deepfake``."""
    deepfake: float | None
    coverage: float
    judged_fps: float
    fps: float
    reasons: list[Reason]


class RoomView(BaseModel):
    """One room."""

    id: str
    participants: list[ParticipantView]
    subscribers: int


class Readiness(BaseModel):
    """Whether the node can do its work, and what stands in the way."""

    ready: bool
    reasons: list[str]
    weights: list[str]
    """Terms of the weights in use, one line an engine."""


def create_app(node: Node, tokens: TokenIssuer, web: WebSettings) -> FastAPI:
    """Build the application; the caller starts and stops the node."""
    app = FastAPI(title="call-guard", version=guard.__version__, docs_url=None, redoc_url=None)
    app.state.node = node
    app.state.tokens = tokens
    problems.install(app)
    app.include_router(whip.router)
    app.add_api_route("/v1/rooms", rooms, methods=["GET"], tags=["rest"])
    app.add_api_route("/livez", live, methods=["GET"], tags=["health"])
    app.add_api_route("/readyz", ready, methods=["GET"], tags=["health"])
    app.add_api_route("/metrics", metrics, methods=["GET"], tags=["health"], response_class=Response)
    app.add_middleware(BodyLimit, limit=web.body_limit_bytes)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],  # bearer tokens only, no cookies: a foreign page gains nothing by asking
        allow_methods=["GET", "POST", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=["Authorization", "Content-Type", "If-Match"],
        expose_headers=["Location", "ETag", "Link", "Accept-Post"],
    )
    return app


async def rooms(caller: Caller, node: TheNode) -> list[RoomView]:
    """The rooms and who is in them."""
    authorise_admin(caller)
    return [
        RoomView(
            id=room.id,
            participants=[_participant(status) for status in room.participants],
            subscribers=room.subscribers,
        )
        for room in node.rooms()
    ]


def _participant(status: ParticipantStatus) -> ParticipantView:
    seen = status.assessment
    return ParticipantView(
        id=status.id,
        name=status.name,
        state=seen.state if seen else State.INSUFFICIENT,
        liveness=round(seen.liveness, 3) if seen else None,
        deepfake=round(seen.deepfake, 3) if seen else None,
        coverage=round(seen.coverage, 3) if seen else 0.0,
        judged_fps=round(status.judged_fps, 2),
        fps=round(status.media.fps, 2),
        reasons=list(seen.reasons) if seen else [Reason.WARMING_UP],
    )


async def live() -> dict[str, bool]:
    """The process runs."""
    return {"live": True}


async def ready(node: TheNode, response: Response) -> Readiness:
    """Whether calls can be taken; 503 with the reasons where not."""
    reasons = node.not_ready()
    response.status_code = 503 if reasons else 200
    return Readiness(ready=not reasons, reasons=list(reasons), weights=list(node.weight_terms()))


async def metrics(request: Request) -> Response:
    """Metrics in Prometheus' text form."""
    body, content_type = node_of(request).metrics_page()
    return Response(body, media_type=content_type)


class BodyLimit:
    """Refuses bodies over ``limit`` bytes with 413; a request that is broken off never reaches the app."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a receive that counts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._limit:
            await self._refuse(scope, receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._limit:
                await self._refuse(scope, receive, send)
                return
        await self._app(scope, _replay(body, receive), send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"expected a body of at most {self._limit} bytes; send a smaller offer"
        await problems.problem(413, detail)(scope, receive, send)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body once, then what the connection says."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def take() -> Message:
        return waiting.pop() if waiting else await receive()

    return take
