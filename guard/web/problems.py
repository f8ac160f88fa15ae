"""Errors as problem details (RFC 9457): what was expected, what came, how to mend it."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from guard.core.errors import CapacityError, GuardError, NotFoundError, SignallingError, UnsupportedCodec
from guard.web.tokens import TokenError

logger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

STATUS: tuple[tuple[type[GuardError], HTTPStatus], ...] = (
    (TokenError, HTTPStatus.UNAUTHORIZED),
    (UnsupportedCodec, HTTPStatus.NOT_ACCEPTABLE),
    (SignallingError, HTTPStatus.BAD_REQUEST),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (CapacityError, HTTPStatus.SERVICE_UNAVAILABLE),
    (GuardError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
"""The first type that fits gives the status."""


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem+json answer; ``detail`` never repeats control characters of the request."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": printable(detail),
    }
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def printable(text: str) -> str:
    """The text with every control or unprintable character escaped, at most 1,000 characters."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:1000])


def install(app: FastAPI) -> None:
    """Answer every error of this app as problem details."""
    app.add_exception_handler(GuardError, _on_guard_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)


async def _on_guard_error(_request: Request, error: Exception) -> JSONResponse:
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    headers: dict[str, str] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "5"
    logger.info("request refused", status=int(status), problem=type(error).__name__)
    return problem(status, str(error), headers)


async def _on_http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 -- registered for this type only
    return problem(error.status_code, str(error.detail), dict(error.headers or {}))


async def _on_validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- registered for this type only
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {first['msg']}")
