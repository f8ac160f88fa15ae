"""The pages: the console, the join page and what they load; read once, then served from memory."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

FOLDER = Path(__file__).parent / "static"

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
"""What the folder may hold."""

POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "media-src 'self' blob:",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
"""Content Security Policy: our own files only, nothing inline, and no text ever becomes markup."""

HEADERS = {
    "Content-Security-Policy": "; ".join(POLICY),
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(), geolocation=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Of every page and file; ``no-cache``: kept, but asked for anew, so that no page mixes versions."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent."""

    body: bytes
    media_type: str
    tag: str
    """Its entity tag (RFC 9110 section 8.8.3)."""


def read_assets(folder: Path) -> dict[str, Asset]:
    """The files of a folder by name; those of another kind than ``MEDIA_TYPES`` are left out."""
    return {path.name: _read(path) for path in folder.iterdir() if path.suffix in MEDIA_TYPES}


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, MEDIA_TYPES[path.suffix], f'"{sha256(body).hexdigest()[:16]}"')


ASSETS = read_assets(FOLDER)

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def console(request: Request) -> Response:
    """Who is in the calls of this node, how they are judged, and the alerts."""
    return _send(request, ASSETS["console.html"])


@router.api_route("/join/{room}", methods=["GET", "HEAD"])
async def join(request: Request, room: str) -> Response:
    """What is analysed and why; then the call. The page itself reads the room from its address."""
    del room
    return _send(request, ASSETS["join.html"])


@router.api_route("/static/{name}", methods=["GET", "HEAD"])
async def static(request: Request, name: str) -> Response:
    """What the pages load."""
    if name not in ASSETS:
        raise HTTPException(404, "expected the name of a file of the pages, there is none like this")
    return _send(request, ASSETS[name])


def _send(request: Request, asset: Asset) -> Response:
    headers = HEADERS | {"ETag": asset.tag}
    known = {tag.strip() for tag in request.headers.get("if-none-match", "").split(",")}
    if asset.tag in known:
        return Response(status_code=304, headers=headers)
    return Response(asset.body, headers=headers, media_type=asset.media_type)
