import asyncio
import gzip
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
    with pytest.raises(SignallingError, match="expected an answer, got TimeoutError"):
        await session.post("offer")
    await session.delete()
