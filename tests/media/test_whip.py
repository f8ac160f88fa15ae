import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from guard.core.errors import GuardError, SignallingError
from guard.media.turn import IceServer
from guard.media.whip import Resource

pytestmark = pytest.mark.unit

URL = "http://guard.test/whip/room"


class Endpoint(httpx.AsyncBaseTransport):
    """Answers each request by a function, and keeps what was asked: method, address, token."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        self._answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.asked.append((request.method, str(request.url), request.headers.get("Authorization")))
        return self._answer(request)


def created(request: httpx.Request, **headers: str) -> httpx.Response:
    return httpx.Response(201, text=request.content.decode().upper(), headers=headers)


async def test_the_session_is_deleted_where_the_endpoint_put_it():
    endpoint = Endpoint(lambda request: created(request, Location="/whip/room/1"))
    session = Resource(URL, "tok", endpoint)
    assert await session.post("offer") == "OFFER"
    await session.delete()
    await session.delete()
    assert endpoint.asked == [("POST", URL, "Bearer tok"), ("DELETE", f"{URL}/1", "Bearer tok")]


async def test_a_session_without_an_address_is_left_alone():
    endpoint = Endpoint(created)
    session = Resource(URL, "tok", endpoint)
    await session.post("offer")
    await session.delete()
    assert [method for method, _, _ in endpoint.asked] == ["POST"]


@pytest.mark.parametrize("location", ["http://[", "ftp://guard.test/1"])
async def test_an_address_that_is_none_ends_nothing_and_breaks_nothing(location: str):
    endpoint = Endpoint(lambda request: created(request, Location=location))
    session = Resource(URL, "tok", endpoint)
    await session.post("offer")
    await session.delete()


async def test_without_a_token_none_is_sent():
    endpoint = Endpoint(created)
    session = Resource(URL, "", endpoint)
    await session.servers()
    await session.post("offer")
    await session.delete()
    assert {token for _, _, token in endpoint.asked} == {None}


def redirecting(to: str, status: int = 307) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        if str(request.url) == URL:
            return httpx.Response(status, headers={"Location": to})
        return created(request, Location="1")

    return answer


@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_is_followed_with_the_token_on_the_same_origin(status: int):
    endpoint = Endpoint(redirecting("/node-2/whip/room", status))
    session = Resource(URL, "tok", endpoint)
    assert await session.post("offer") == "OFFER"
    await session.delete()
    assert endpoint.asked == [
        ("POST", URL, "Bearer tok"),
        ("POST", "http://guard.test/node-2/whip/room", "Bearer tok"),
        ("DELETE", "http://guard.test/node-2/whip/1", "Bearer tok"),
    ]


@pytest.mark.parametrize("to", ["http://guard.test:8080/whip/room", "http://elsewhere.test/whip/room"])
async def test_nobody_else_is_told_the_token(to: str):
    endpoint = Endpoint(redirecting(to))
    session = Resource(URL, "tok", endpoint)
    await session.post("offer")
    await session.delete()
    assert [token for _, _, token in endpoint.asked] == ["Bearer tok", None, None]


@pytest.mark.parametrize(("to", "status"), [(URL, 307), ("/elsewhere", 302), ("/elsewhere", 303)])
async def test_other_redirects_are_refused(to: str, status: int):
    endpoint = Endpoint(redirecting(to, status))
    session = Resource(URL, "tok", endpoint)
    with pytest.raises(SignallingError, match=r"guard\.test/whip/room: expected"):
        await session.post("offer")
    await session.delete()
    assert len(endpoint.asked) <= 2
    assert {method for method, _, _ in endpoint.asked} == {"POST"}


async def test_the_endpoint_names_servers_before_the_offer():
    links = [
        ("Link", "<stun:s>; rel=ice-server"),
        ("Link", '<turn:t>; rel=ice-server; username=u; credential="c"'),
    ]
    endpoint = Endpoint(lambda _: httpx.Response(204, headers=links))
    session = Resource(URL, "tok", endpoint)
    assert await session.servers() == (IceServer("stun:s"), IceServer("turn:t", "u", "c"))
    await session.delete()
    assert endpoint.asked == [("OPTIONS", URL, "Bearer tok")]


@pytest.mark.parametrize("status", [200, 204, 401, 404, 405, 500, 501])
async def test_an_endpoint_that_names_none_will_do(status: int):
    links = [("Link", "<stun:s>; rel=ice-server")] if status > 400 else []
    session = Resource(URL, "tok", Endpoint(lambda _: httpx.Response(status, headers=links)))
    assert await session.servers() == ()
    await session.delete()


async def test_related_addresses_are_told_from_servers():
    link = '<turn:t>; rel=ice-server; username="a;b,"; credential="<x>", </whep/a>; rel="related"'
    session = Resource(URL, "tok", Endpoint(lambda request: created(request, Link=link)))
    await session.post("offer")
    await session.delete()
    assert session.related == "http://guard.test/whep/a"


async def test_a_counter_offer_is_refused_in_clear_words():
    answer = httpx.Response(406, text="v=0", headers={"Content-Type": "application/sdp"})
    session = Resource(URL, "tok", Endpoint(lambda _: answer))
    with pytest.raises(GuardError, match="with an answer, got 406 with another offer; use one that answers"):
        await session.post("offer")
    await session.delete()


async def test_an_endless_body_is_read_no_further():
    read = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal read
            while True:
                read += 1
                yield b"v" * 1000

    session = Resource(URL, "tok", Endpoint(lambda _: httpx.Response(201, stream=Endless())))
    assert len(await session.post("offer")) == 65_537
    await session.delete()
    assert read < 100
    for _ in range(20):
        await asyncio.sleep(0)  # httpx's generators end one after the other


async def test_a_packed_body_is_not_unpacked():
    class Packed(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield gzip.compress(bytes(1000))

    packed = httpx.Response(201, headers={"Content-Encoding": "gzip"}, stream=Packed())
    session = Resource(URL, "tok", Endpoint(lambda _: packed))
    assert not await session.post("offer")
    await session.delete()


@pytest.mark.virtual_time
async def test_an_endpoint_that_does_not_answer_is_given_up():
    class Silent(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

    session = Resource(URL, "tok", Endpoint(lambda _: httpx.Response(201, stream=Silent())))
    with pytest.raises(
        SignallingError, match="expected an answer, got none within 15 s; is the server running"
    ):
        await session.post("offer")
    await session.delete()


@pytest.mark.parametrize(
    ("at", "location", "told"),
    [
        (URL, "/whip/room/1", True),
        (URL, "http://guard.test:80/whip/room/1", True),
        (URL, "https://guard.test/whip/room/1", True),
        ("https://guard.test/whip/room", "http://guard.test/1", False),
        ("https://guard.test/whip/room", "https://other.test/1", False),
        (URL, "https://guard.test:8443/1", False),
        (URL, "http://guard.test:8080/1", False),
        (URL, "//other.test/1", False),
        ("http://guard.test:8080/whip/room", "https://guard.test/1", False),
    ],
)
async def test_only_the_place_that_was_told_the_token_is_told_it_again(at: str, location: str, *, told: bool):
    endpoint = Endpoint(lambda request: created(request, Location=location))
    session = Resource(at, "tok", endpoint)
    await session.post("offer")
    await session.delete()
    assert [method for method, _, _ in endpoint.asked] == ["POST", "DELETE"]
    assert [token for _, _, token in endpoint.asked] == ["Bearer tok", "Bearer tok" if told else None]


@pytest.mark.parametrize("media_type", ["text/plain", "application/problem+json"])
async def test_a_servers_words_do_nothing_to_a_terminal(media_type: str):
    words = "\x1b]0;owned\x07\r\n\u202e no"
    body = json.dumps({"detail": words}) if "json" in media_type else words
    answer = httpx.Response(400, text=body, headers={"Content-Type": media_type})
    session = Resource(URL, "tok", Endpoint(lambda _: answer))
    with pytest.raises(SignallingError, match=r"400: .*owned.* no") as refusal:
        await session.post("offer")
    await session.delete()
    assert str(refusal.value).replace("\ufffd", "").isprintable()


async def test_a_problem_that_is_nested_without_end_is_refused_in_words():
    answer = httpx.Response(400, text="[" * 60_000, headers={"Content-Type": "application/json"})
    session = Resource(URL, "tok", Endpoint(lambda _: answer))
    with pytest.raises(SignallingError, match="got 400"):
        await session.post("offer")
    await session.delete()


SECRETIVE = "http://ada:hunter2@guard.test/whip/room?token=hunter2"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ConnectError("refused"), r"got no connection \(refused\); is the server running there\?"),
        (httpx.ReadTimeout(""), "got none within 15 s; is the server running there"),
        (httpx.UnsupportedProtocol("no"), "got no address of a server; give one that begins with http"),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), r"got something else \(\[SSL: CERT"),
        (httpx.ReadError(""), r"got something else \(ReadError\); is this an address of WHIP or WHEP"),
    ],
)
async def test_what_came_instead_of_an_answer_is_told_in_words(error: httpx.HTTPError, words: str):
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    session = Resource(SECRETIVE, "tok", Endpoint(answer))
    expected = rf"^http://guard\.test/whip/room: expected an answer, {words}"
    with pytest.raises(SignallingError, match=expected) as told:
        await session.post("offer")
    await session.delete()
    assert "hunter2" not in str(told.value)


async def test_a_refusal_does_not_repeat_a_password():
    session = Resource(SECRETIVE, "", Endpoint(lambda _: httpx.Response(401)))
    with pytest.raises(SignallingError, match=r"^http://guard\.test/whip/room: expected 201") as told:
        await session.post("offer")
    await session.delete()
    assert "hunter2" not in str(told.value)
