"""The HTTP side: what it takes, what it refuses and in which words."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from guard.config import PageSettings, Settings
from guard.core.errors import CapacityError, DeliveryError, EnvironmentProblem
from guard.session.node import Node
from guard.web.app import create_app
from guard.web.tokens import TokenIssuer
from tests.support.node import bare_node, bare_settings, wall

pytestmark = pytest.mark.unit

NOW = 4_000_000_000.0
SDP = {"Content-Type": "application/sdp"}


@pytest.fixture(autouse=True)
def no_traceback_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever callers send, the log holds sentences."""
    yield
    assert "Traceback" not in caplog.text


@pytest.fixture
def tokens() -> TokenIssuer:
    return TokenIssuer("k" * 48, "call-guard")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return bare_node(bare_settings(tmp_path))


@pytest.fixture
async def client(node: Node, tokens: TokenIssuer) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(node, tokens, Settings(), wall)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://guard") as client:
        yield client
    await node._watch.desk.close(deadline=0)  # its link never ran


@pytest.fixture
def bearer(tokens: TokenIssuer) -> Callable[..., dict[str, str]]:
    def make(room: str = "demo", **grants: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {tokens.issue('ada', room, now=NOW, **grants)}"}

    return make


def detail(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    return str(body["detail"])


async def test_no_token(client: httpx.AsyncClient) -> None:
    response = await client.post("/whip/demo", content="v=0", headers=SDP)
    assert "Authorization: Bearer" in detail(response, 401)
    assert response.headers["www-authenticate"] == "Bearer"


async def test_wrong_token(client: httpx.AsyncClient) -> None:
    response = await client.post("/whip/demo", content="v=0", headers=SDP | {"Authorization": "Bearer x.y.z"})
    assert "ask for a new one" in detail(response, 401)
    assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(("room", "grant"), [("other", "publish"), ("demo", "subscribe")])
async def test_a_token_for_something_else(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]], room: str, grant: str
) -> None:
    response = await client.post("/whip/demo", content="v=0", headers=SDP | bearer(room, **{grant: True}))
    assert "does not grant" in detail(response, 403)


async def test_malformed_offer(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]], node: Node
) -> None:
    response = await client.post("/whip/demo", content="v=0\r\nnonsense", headers=SDP | bearer(publish=True))
    assert "expected" in detail(response, 400)
    assert not list(node.rooms())


@pytest.mark.parametrize("body", [b"\xff\xfe", b"", b"v=0\x00\r\n" * 9])
async def test_an_offer_that_is_no_text(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]], body: bytes
) -> None:
    detail(await client.post("/whip/demo", content=body, headers=SDP | bearer(publish=True)), 400)


async def test_another_content_type(client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]]) -> None:
    response = await client.post("/whip/demo", json={}, headers=bearer(publish=True))
    assert "application/sdp" in detail(response, 415)


async def test_a_large_body(client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]]) -> None:
    response = await client.post("/whip/demo", content="v" * 70_000, headers=SDP | bearer(publish=True))
    assert "at most 65536 bytes" in detail(response, 413)


async def test_a_large_body_without_a_length(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]]
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"v" * 10_000

    response = await client.post("/whip/demo", content=endless(), headers=SDP | bearer(publish=True))
    assert "at most 65536 bytes" in detail(response, 413)


@pytest.mark.parametrize("room", ["a%00b", "a%0Ab", "a%20b", "%F0%9F%99%82", "x" * 65, "%1B[2J"])
async def test_a_room_id_with_other_characters(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]], room: str
) -> None:
    response = await client.post(f"/whip/{room}", content="v=0", headers=SDP | bearer(publish=True))
    assert response.text.isprintable()
    assert "room" in detail(response, 422)


async def test_nobody_there_to_watch(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]]
) -> None:
    response = await client.post("/whep/demo/p_1", content="v=0", headers=SDP | bearer(subscribe=True))
    assert "GET /v1/rooms" in detail(response, 404)


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
async def test_an_unknown_session(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]], method: str
) -> None:
    headers = bearer(publish=True) | {"Content-Type": "application/trickle-ice-sdpfrag"}
    assert "no such session" in detail(await client.request(method, "/whip/demo/0", headers=headers), 404)


async def test_rooms_are_for_administrators(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]]
) -> None:
    assert "admin" in detail(await client.get("/v1/rooms", headers=bearer(subscribe=True)), 403)
    assert (await client.get("/v1/rooms", headers=bearer(admin=True))).json() == []


async def test_health_needs_no_token(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"live": True}
    ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {"ready": True, "reasons": [], "warnings": [], "weights": []}


async def test_metrics_are_for_administrators(
    client: httpx.AsyncClient, bearer: Callable[..., dict[str, str]]
) -> None:
    """They count alerts: whoever is judged must not watch them rise."""
    detail(await client.get("/metrics"), 401)
    assert "admin" in detail(await client.get("/metrics", headers=bearer(publish=True)), 403)
    assert "guard_participants" in (await client.get("/metrics", headers=bearer(admin=True))).text


async def test_warnings_are_for_administrators(
    client: httpx.AsyncClient,
    bearer: Callable[..., dict[str, str]],
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(node, "warnings", lambda: ("p_1: its analysis hangs",))
    assert (await client.get("/readyz")).json()["warnings"] == []
    told = (await client.get("/readyz", headers=bearer(admin=True))).json()
    assert told["warnings"] == ["p_1: its analysis hangs"]
    assert (await client.get("/readyz", headers=bearer(publish=True))).json()["warnings"] == []


async def test_the_notice_is_what_the_operator_says(tokens: TokenIssuer, node: Node) -> None:
    pages = PageSettings(operator="Example Bank", purpose="Why.", analysed=("This.",), kept="Nothing.")
    app = create_app(node, tokens, Settings(pages=pages), wall)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://guard") as client:
        notice = (await client.get("/v1/notice")).json()
    assert (notice["operator"], notice["purpose"]) == ("Example Bank", "Why.")
    assert (notice["analysed"], notice["kept"]) == (["This."], "Nothing.")


async def test_without_words_of_the_operator_the_notice_says_how_long_alerts_stay(
    client: httpx.AsyncClient,
) -> None:
    notice = (await client.get("/v1/notice")).json()
    assert notice["kept"].endswith("alerts are deleted after 24 hours.")
    assert len(notice["analysed"]) == 3


async def test_an_outbox_in_trouble_is_told_to_come_again(
    client: httpx.AsyncClient,
    bearer: Callable[..., dict[str, str]],
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def alerts(*_: object, **__: object) -> None:
        raise DeliveryError("outbox: cannot read alerts (database is locked)")

    monkeypatch.setattr(node, "alerts", alerts)
    for path in ("/v1/alerts", "/v1/events"):
        response = await client.get(path, headers=bearer(admin=True))
        detail(response, 503)
        assert response.headers["retry-after"] == "5"


async def test_a_stopping_node_is_not_ready(client: httpx.AsyncClient, node: Node) -> None:
    node.drain()
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["reasons"] == ["the node is stopping"]


async def test_what_a_post_takes(client: httpx.AsyncClient) -> None:
    response = await client.options("/whip/demo")
    assert response.status_code == 204
    assert response.headers["accept-post"] == "application/sdp"


async def test_an_unknown_path_is_a_problem_too(client: httpx.AsyncClient) -> None:
    detail(await client.get("/nowhere"), 404)


@pytest.mark.parametrize("path", ["/whip/demo/0", "/whep/demo/p_1/0"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_what_a_session_takes(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path)
    assert "DELETE or PATCH" in detail(response, 405)
    assert response.headers["allow"] == "DELETE, PATCH"


def failing(node: Node, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def publish(*_: object) -> None:
        raise error

    monkeypatch.setattr(node, "publish", publish)


async def test_an_error_of_ours_is_told_to_the_log_only(
    client: httpx.AsyncClient,
    bearer: Callable[..., dict[str, str]],
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(node, EnvironmentProblem("ice.host_addresses: set them"), monkeypatch)
    with capture_logs() as logged:
        response = await client.post("/whip/demo", content="v=0", headers=SDP | bearer(publish=True))
    assert detail(response, 500) == "the node could not do this; its log says why"
    assert [(one["log_level"], one["error"]) for one in logged] == [("error", "ice.host_addresses: set them")]


async def test_an_unforeseen_error_is_a_problem_without_its_text(
    client: httpx.AsyncClient,
    bearer: Callable[..., dict[str, str]],
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(node, RuntimeError("secret"), monkeypatch)
    response = await client.post("/whip/demo", content="v=0", headers=SDP | bearer(publish=True))
    assert detail(response, 500) == "the node could not do this; its log says why"


async def test_a_full_node_says_when_to_come_again(
    client: httpx.AsyncClient,
    bearer: Callable[..., dict[str, str]],
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(node, CapacityError("rooms on this node: expected fewer than 64"), monkeypatch)
    response = await client.post("/whip/demo", content="v=0", headers=SDP | bearer(publish=True))
    assert "fewer than 64" in detail(response, 503)
    assert response.headers["retry-after"] == "5"


async def test_the_document_says_that_a_token_is_needed(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    assert document["paths"]["/v1/alerts"]["get"]["security"]
    assert "security" not in document["paths"]["/livez"]["get"]


async def test_a_refusal_is_logged_with_what_was_asked_and_by_whom(client: httpx.AsyncClient) -> None:
    with capture_logs() as logged:
        await client.get("/v1/alerts")
    (line,) = logged
    assert (line["event"], line["status"], line["method"]) == ("request refused", 401, "GET")
    assert (line["pii.path"], line["pii.address"]) == ("/v1/alerts", "127.0.0.1")
