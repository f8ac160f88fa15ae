"""Structured logs: static message and fields, JSON unless a person reads, nothing personal by default."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO, TypeAlias

import structlog

from guard.core.errors import GuardError

Fields: TypeAlias = MutableMapping[str, Any]
"""One log line on its way through the processors."""

PERSONAL = "pii."
"""Prefix of the keys that hold personal values: names, addresses, rooms as people call them."""

NOISY = {
    "aioice": "WARNING",
    "aiortc": "WARNING",
    "amqtt": "ERROR",
    "httpx": "WARNING",
    "matplotlib": "ERROR",
    "transitions": "ERROR",
    "uvicorn": "WARNING",
}
"""Libraries that say more than an operator can use, and from which level on they are heard."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_UNPRINTABLE_IN_TRACE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def drop_personal(_logger: object, _method: str, fields: Fields) -> Fields:
    """Forget every field under ``pii.``."""
    for key in [key for key in fields if key.startswith(PERSONAL)]:
        del fields[key]
    return fields


def without_trace_of_expected(_logger: object, _method: str, fields: Fields) -> Fields:
    """Say an expected error (GuardError) in one field; keep the traceback of any other."""
    given = fields.get("exc_info")
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, GuardError):
        del fields["exc_info"]
        fields["error"] = f"{type(error).__name__}: {error}"
    return fields


def escape_controls(_logger: object, _method: str, fields: Fields) -> Fields:
    r"""Write control and direction characters as ``\x0a``, so that one entry stays one entry."""
    for key, value in fields.items():
        if isinstance(value, str):
            pattern = _UNPRINTABLE_IN_TRACE if key == "exception" else _UNPRINTABLE
            fields[key] = pattern.sub(lambda found: ascii(found.group())[1:-1], value)
    return fields


def _renderer(*, json_lines: bool, colours: bool) -> list[structlog.typing.Processor]:
    if json_lines:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [
        structlog.processors.format_exc_info,
        escape_controls,
        structlog.dev.ConsoleRenderer(colors=colours),
    ]


def configure(
    level: Literal["debug", "info", "warning", "error"] = "info",
    *,
    json_lines: bool | None = None,
    personal: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Send structlog's and the standard library's records to one stream (stderr), one line each.

    ``json_lines`` None means JSON unless the stream is a terminal; ``personal`` lets ``pii.`` keys through.
    May be called again, to change any of it.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_trace_of_expected,
        *([] if personal else [drop_personal]),
    ]
    lines = _renderer(json_lines=not terminal if json_lines is None else json_lines, colours=terminal)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *lines],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name, floor in NOISY.items():
        logging.getLogger(name).setLevel(floor)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
