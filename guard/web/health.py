"""Probes, metrics and the notice: what is told without a token, and a little more with one."""

from fastapi import APIRouter, Request, Response

import guard
from guard.web.access import Action, Administrator, TheNode, bearer, permits, settings_of
from guard.web.problems import REFUSALS
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
    "scores goes to the people who run this service. It is an indication, no proof: people decide. On this "
    "machine alerts are deleted after {hours:g} hours."
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


@router.get("/readyz", responses={503: {"model": Readiness}, 401: REFUSALS[401]})
async def ready(request: Request, node: TheNode, response: Response) -> Readiness:
    """Whether calls can be taken; 503 with the reasons where not. Warnings are for administrators."""
    reasons = node.not_ready()
    response.status_code = 503 if reasons else 200
    known = "authorization" in request.headers and permits(await bearer(request), Action.ADMINISTER)
    warnings = node.warnings() if known else ()
    return Readiness(
        ready=not reasons, reasons=list(reasons), warnings=list(warnings), weights=list(node.weight_terms())
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **REFUSALS})
async def metrics(caller: Administrator, node: TheNode) -> Response:
    """Metrics in Prometheus' text form; for administrators, since they count alerts."""
    del caller
    body, content_type = node.metrics_page()
    return Response(body, media_type=content_type)


@router.get("/v1/notice")
async def notice(request: Request) -> Notice:
    """What visitors are told before their camera opens."""
    settings = settings_of(request)
    pages = settings.pages
    return Notice(
        operator=pages.operator,
        contact=pages.contact,
        purpose=pages.purpose or PURPOSE,
        analysed=list(pages.analysed or ANALYSED),
        kept=pages.kept or KEPT.format(hours=settings.alerts.retain_hours),
        show_own_state=pages.show_own_state,
        version=guard.__version__,
    )
