"""The limit of a request's body: what reaches the app, and what is refused."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from guard.web.limits import BodyLimit

pytestmark = pytest.mark.unit


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        await Response(body)(scope, receive, send)

    transport = httpx.ASGITransport(BodyLimit(echo, 100))
    async with httpx.AsyncClient(transport=transport, base_url="http://guard") as client:
        yield client


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"v" * 10


def assert_too_large(response: httpx.Response) -> None:
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert "at most 100 bytes" in response.json()["detail"]


async def test_the_app_gets_the_whole_body(client: httpx.AsyncClient):
    assert (await client.post("/", content=b"v" * 100)).content == b"v" * 100


async def test_the_app_gets_the_whole_body_in_pieces(client: httpx.AsyncClient):
    assert (await client.post("/", content=pieces(10))).content == b"v" * 100


async def test_a_body_that_is_said_to_be_too_large(client: httpx.AsyncClient):
    assert_too_large(await client.post("/", content=b"v" * 101))


async def test_a_body_that_turns_out_to_be_too_large(client: httpx.AsyncClient):
    assert_too_large(await client.post("/", content=pieces(11)))


@pytest.mark.parametrize("length", ["-1", "1e9", "", "²"])
async def test_a_length_that_is_no_number(client: httpx.AsyncClient, length: str):
    headers = {b"Content-Length": length.encode()}
    assert_too_large(await client.post("/", content=pieces(1), headers=headers))


async def test_a_body_that_is_broken_off_goes_nowhere():
    reached: list[Scope] = []
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": b"v=0", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        reached.append(scope)

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        pytest.fail(f"nobody is there to hear {message}")

    await BodyLimit(app, 100)({"type": "http", "headers": []}, receive, send)
    assert not reached


async def test_what_is_no_request_passes():
    reached: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        reached.append(scope)

    async def nothing(*_: Message) -> Message:
        return {}

    await BodyLimit(app, 100)({"type": "lifespan"}, nothing, nothing)  # type: ignore[arg-type]  # never called
    assert reached == [{"type": "lifespan"}]
