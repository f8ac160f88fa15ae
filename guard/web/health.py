"""Probes, metrics and the notice: what is told without a token."""

from fastapi import APIRouter, Request, Response

import guard
from guard.web.access import TheNode, settings_of
from guard.web.views import Notice, Readiness

router = APIRouter(tags=["health"])

PURPOSE = (
    "So that everybody in the call can trust that the others are live people and look like themselves: "
    "photos, screens and swapped faces held to a camera are found this way."
)

ANALYSED = (
    "The movement and look of the faces in your video, a few times a second, as long as you are in the call.",
    "Signs of a photo, a screen or a mask before the camera, and of a face swapped or made by software.",
    "The name of your camera, as a hint.",
)

KEPT = (
    "No picture and no sound is kept. If something looks wrong, an alert with your name, the time and the "
    "scores goes to the people who run this service. It is an indication, no proof: people decide."
)


@router.get("/livez")
async def live() -> dict[str, bool]:
    """The process runs."""
    return {"live": True}


@router.get("/startupz", responses={503: {"description": "Not started yet."}})
async def started(node: TheNode, response: Response) -> dict[str, bool]:
    """Whether models and engines are loaded and the node has begun; 503 until then."""
    response.status_code = 200 if node.started else 503
    return {"started": node.started}


@router.get("/readyz", responses={503: {"model": Readiness}})
async def ready(node: TheNode, response: Response) -> Readiness:
    """Whether calls can be taken; 503 with the reasons where not."""
    reasons = node.not_ready()
    response.status_code = 503 if reasons else 200
    return Readiness(
        ready=not reasons,
        reasons=list(reasons),
        warnings=list(node.warnings()),
        weights=list(node.weight_terms()),
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(node: TheNode) -> Response:
    """Metrics in Prometheus' text form."""
    body, content_type = node.metrics_page()
    return Response(body, media_type=content_type)


@router.get("/v1/notice")
async def notice(request: Request) -> Notice:
    """What visitors are told before their camera opens."""
    pages = settings_of(request).pages
    return Notice(
        operator=pages.operator,
        contact=pages.contact,
        purpose=pages.purpose or PURPOSE,
        analysed=list(ANALYSED),
        kept=KEPT,
        show_own_state=pages.show_own_state,
        version=guard.__version__,
    )
