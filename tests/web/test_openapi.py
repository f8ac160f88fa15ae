"""Requests made from the OpenAPI document, with every grant: whatever comes, the node is not at fault."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)

from guard.config import Settings, WebSettings
from guard.web.app import create_app
from guard.web.server import HttpServer
from guard.web.tokens import TokenIssuer
from tests.support.node import bare_node, bare_settings, wall

if TYPE_CHECKING:
    from guard.session.node import Node

pytestmark = [
    pytest.mark.media,
    # schemathesis draws some numbers of its own; hypothesis would rather draw them itself
    pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning"),
]

NOW = 4_000_000_000.0
GRANTS: dict[str, dict[str, Any]] = {
    "none": {},
    "publisher": {"publish": True},
    "subscriber": {"subscribe": True},
    "administrator": {"publish": True, "subscribe": True, "admin": True},
}
EXAMPLES = 30
"""Requests for each route, with any of the grants."""


@dataclass
class Served:
    """A node behind HTTP on a thread of its own, since schemathesis asks from this one."""

    folder: Path
    url: str = ""

    def __post_init__(self) -> None:
        self.tokens = TokenIssuer("k" * 48, "call-guard")
        self._up = threading.Event()
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),))

    def start(self) -> None:
        self._thread.start()
        assert self._up.wait(20.0)

    def end(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20.0)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        node = bare_node(bare_settings(self.folder))
        await node.start()
        app = create_app(node, self.tokens, Settings(), wall)
        async with HttpServer(app, WebSettings(port=0)) as server:
            self.url = server.url
            self._up.set()
            await self._stop.wait()
        await node.stop()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    house = Served(tmp_path_factory.mktemp("node"))
    house.start()
    yield house
    house.end()


def document() -> dict[str, Any]:
    """What the app says of itself; no node is needed for that."""
    return create_app(cast("Node", None), TokenIssuer("k" * 48, "x"), Settings(), wall).openapi()


# an open stream would not end: test_live.py holds it
schema = schemathesis.openapi.from_dict(document()).exclude(path="/v1/events")


@schema.given(grant=st.sampled_from(sorted(GRANTS)))
@schema.parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_no_request_is_our_fault(case: schemathesis.Case[Any], served: Served, grant: str) -> None:
    headers = {}
    if grant != "none":
        token = served.tokens.issue("ada", "demo", now=NOW, **GRANTS[grant])
        headers["Authorization"] = f"Bearer {token}"
    if "room" in case.path_parameters:
        case.path_parameters["room"] = "demo"
    case.call_and_validate(
        base_url=served.url,
        headers=headers,
        checks=[not_a_server_error, status_code_conformance, response_schema_conformance],
    )
