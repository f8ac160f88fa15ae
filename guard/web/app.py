"""The HTTP application of one node."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

import guard
from guard.config import Settings
from guard.core.units import WallClock
from guard.session.node import Node
from guard.web import health, live, pages, problems, rest, whip
from guard.web.limits import BodyLimit
from guard.web.tokens import TokenIssuer


def create_app(node: Node, tokens: TokenIssuer, settings: Settings, wall: WallClock) -> FastAPI:
    """Build the application; the caller starts and stops the node."""
    app = FastAPI(title="call-guard", version=guard.__version__, docs_url=None, redoc_url=None)
    app.state.node = node
    app.state.tokens = tokens
    app.state.settings = settings
    app.state.wall = wall
    problems.install(app)
    for part in (whip, rest, live, health, pages):
        app.include_router(part.router)
    app.add_middleware(BodyLimit, limit=settings.web.body_limit_bytes)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],  # bearer tokens only, no cookies: a foreign page gains nothing by asking
        allow_methods=["GET", "POST", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Guard-Device-Label",
            "Guard-Notice-Shown-At",
            "If-Match",
        ],
        expose_headers=["Location", "ETag", "Link", "Accept-Post", "Retry-After"],
    )
    return app
