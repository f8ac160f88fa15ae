"""Errors as problem details (RFC 9457): what was expected, what came, how to mend it."""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from guard.core.errors import (
    CapacityError,
    DeliveryError,
    GuardError,
    NotFoundError,
    SignallingError,
    UnsupportedCodec,
    UnsupportedRestart,
)
from guard.core.words import printable
from guard.web.tokens import MissingTokenError, TokenError

logger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

LONGEST = 1000
"""Characters of a detail."""


class Problem(BaseModel):
    """What every refusal looks like (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


STATUS: tuple[tuple[type[GuardError], HTTPStatus], ...] = (
    (TokenError, HTTPStatus.UNAUTHORIZED),
    (UnsupportedCodec, HTTPStatus.NOT_ACCEPTABLE),
    (UnsupportedRestart, HTTPStatus.UNPROCESSABLE_ENTITY),
    (SignallingError, HTTPStatus.BAD_REQUEST),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (CapacityError, HTTPStatus.SERVICE_UNAVAILABLE),
    (DeliveryError, HTTPStatus.SERVICE_UNAVAILABLE),
    (GuardError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
"""The first type that fits gives the status."""

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
    for status in (400, 401, 403, 404, 406, 408, 412, 413, 415, 422, 428, 503)
}
"""What routes may answer besides what they are for, as OpenAPI has it."""

OWN_FAULT = "the node could not do this; its log says why"
"""All that a caller is told of what is no fault of theirs."""


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem+json answer; ``detail`` never repeats control characters of the request."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": printable(detail, LONGEST),
    }
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of this app as problem details."""
    app.add_exception_handler(GuardError, _on_guard_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(Exception, _on_fault)


async def _on_guard_error(request: Request, error: Exception) -> JSONResponse:
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request failed", problem=type(error).__name__, error=str(error))
        return problem(status, OWN_FAULT)
    headers: dict[str, str] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        # RFC 6750 section 3.1: no error code for a request without a token
        missing = isinstance(error, MissingTokenError)
        headers["WWW-Authenticate"] = "Bearer" if missing else 'Bearer error="invalid_token"'
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "5"
    _log_refusal(request, status, type(error).__name__)
    return problem(status, str(error), headers)


def _log_refusal(request: Request, status: int, problem: str) -> None:
    personal = {"pii.address": request.client.host if request.client else None, "pii.path": request.url.path}
    logger.info("request refused", status=int(status), problem=problem, method=request.method, **personal)


async def _on_fault(_request: Request, _error: Exception) -> JSONResponse:
    # Starlette raises the error again behind this answer, so that the server logs where it came from
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, OWN_FAULT)


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for this type only
    _log_refusal(request, error.status_code, "HTTPException")
    return problem(error.status_code, str(error.detail), dict(error.headers or {}))


async def _on_validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- registered for this type only
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {first['msg']}")
