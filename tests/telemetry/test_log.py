"""Logs: one line an entry, no personal value, no traceback of what was expected."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from guard.core.errors import ModelError
from guard.telemetry.log import configure

pytestmark = pytest.mark.unit


class Terminal(io.StringIO):
    """A stream that a person reads."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the logs go; puts the standard library's root logger back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers, root.level = handlers, level


def entries(stream: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_entry_is_one_json_line_with_fields_time_level_and_name(stream: io.StringIO):
    configure(stream=stream)
    structlog.get_logger("guard.x").info("call opened", room="r-1")
    (entry,) = entries(stream)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "call opened", "level": "info", "logger": "guard.x", "room": "r-1"}


def test_records_of_the_standard_library_take_the_same_way(stream: io.StringIO):
    configure(stream=stream)
    logging.getLogger("library").warning("said %s", "so")
    assert entries(stream)[0]["event"] == "said so"
    assert entries(stream)[0]["logger"] == "library"


def test_lower_levels_and_talkative_libraries_are_not_heard(stream: io.StringIO):
    configure("info", stream=stream)
    structlog.get_logger("guard.x").debug("detail")
    logging.getLogger("guard.x").debug("detail")
    logging.getLogger("aioice.ice").info("pair")
    # MediaPipe loads matplotlib, which tells once, at the first start on a machine, that it looked for fonts
    logging.getLogger("matplotlib.font_manager").warning("building the font cache")
    assert entries(stream) == []


def test_personal_fields_are_dropped_unless_allowed(stream: io.StringIO):
    configure(stream=stream)
    structlog.get_logger("guard.x").info("joined", **{"pii.name": "Ada"})
    configure(stream=stream, personal=True)
    structlog.get_logger("guard.x").info("joined", **{"pii.name": "Ada"})
    assert [entry.get("pii.name") for entry in entries(stream)] == [None, "Ada"]


@pytest.mark.parametrize("json_lines", [True, False])
@pytest.mark.parametrize("text", ["a\nb", "a\x1b[31mb", "a\x9bb", "a\u2028b", "a\u202eb"])
def test_control_characters_never_reach_the_stream(stream: io.StringIO, text: str, *, json_lines: bool):
    configure(stream=stream, json_lines=json_lines)
    structlog.get_logger("guard.x").info("said", words=text)
    logging.getLogger("library").warning(text)
    lines = stream.getvalue()
    assert lines.count("\n") == 2
    hostile = set(text) - set("ab[31m\n")
    assert not hostile & set(lines)


def test_expected_error_is_one_field_without_a_traceback(stream: io.StringIO):
    configure(stream=stream)
    logger = structlog.get_logger("guard.x")
    try:
        raise ModelError("x.onnx: expected sha256 1, got 2")
    except ModelError as error:
        logger.exception("cannot start")
        logger.warning("cannot start", exc_info=error)
        logging.getLogger("library").exception("cannot start")
    for entry in entries(stream):
        assert entry["error"] == "ModelError: x.onnx: expected sha256 1, got 2"
        assert "exception" not in entry
        assert "exc_info" not in entry


def test_unexpected_error_keeps_its_traceback(stream: io.StringIO):
    configure(stream=stream)
    try:
        raise LookupError("lost")
    except LookupError:
        structlog.get_logger("guard.x").exception("task crashed")
    assert "LookupError: lost" in entries(stream)[0]["exception"]


def test_terminal_gets_lines_for_people(stream: io.StringIO):
    assert stream.getvalue() == ""
    terminal = Terminal()
    configure(stream=terminal)
    structlog.get_logger("guard.x").info("call opened")
    assert "call opened" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
