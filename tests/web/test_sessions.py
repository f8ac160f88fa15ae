"""Sessions over HTTP with real offers: codecs, trickled candidates, whose they are, odd names."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import pytest

from guard.media.assembler import Codec
from guard.media.client import FORMATS, VIDEO_FORMATS
from guard.media.forwarder import UnitQueue
from guard.media.transport import Peer
from guard.session.node import Node
from guard.session.participant import Participant
from guard.web.app import create_app
from guard.web.tokens import TokenIssuer
from tests.support.media import LOOPBACK
from tests.support.node import bare_node, bare_settings, wall

pytestmark = [pytest.mark.media, pytest.mark.peers]

KEY = "k" * 48
NOW = 4_000_000_000.0
TOKENS = TokenIssuer(KEY, "call-guard")
FRAGMENT = "application/trickle-ice-sdpfrag"
CANDIDATE = "a=candidate:1 1 udp 2122260223 127.0.0.1 61764 typ host\r\n"


def grant(name: str = "ada", room: str = "demo") -> dict[str, str]:
    token = TOKENS.issue(name, room, now=NOW, publish=True, subscribe=True, admin=True)
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def offer() -> AsyncIterator[str]:
    """A publisher's offer of VP8."""
    peer = Peer(LOOPBACK, time.monotonic, lambda _: None, offers=True)
    peer.send(FORMATS[Codec.VP8], UnitQueue(10, time.monotonic), lambda: None)
    yield await peer.offer()
    await peer.close()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    node = await asyncio.to_thread(bare_node, bare_settings(tmp_path))
    yield node
    for session in node._rooms.sessions():
        await node.leave(session.id)
    await node._watch.desk.close(deadline=0)  # its link never ran


@pytest.fixture
async def client(node: Node) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(node, TOKENS, node._settings, wall))
    async with httpx.AsyncClient(transport=transport, base_url="http://guard") as client:
        yield client


async def post(client: httpx.AsyncClient, path: str, offer: str, **headers: str) -> httpx.Response:
    return await client.post(
        path, content=offer, headers={"Content-Type": "application/sdp"} | grant() | headers
    )


@pytest.fixture
async def joined(client: httpx.AsyncClient, offer: str) -> httpx.Response:
    """The answer to a publisher called ada."""
    response = await post(client, "/whip/demo", offer)
    assert response.status_code == 201, response.text
    return response


def fragment(offer: str, *lines: str, ufrag: str | None = None) -> str:
    sent = ufrag or re.findall(r"a=ice-ufrag:(\S+)", offer)[0]
    return f"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=ice-ufrag:{sent}\r\n" + "".join(lines)


async def patch(
    client: httpx.AsyncClient, joined: httpx.Response, text: str, match: str | None
) -> httpx.Response:
    headers = grant() | {"Content-Type": FRAGMENT}
    if match is not None:
        headers["If-Match"] = match
    return await client.patch(joined.headers["location"], content=text, headers=headers)


async def test_a_codec_that_is_not_relayed(client: httpx.AsyncClient, offer: str, node: Node):
    response = await post(client, "/whip/demo", offer.replace("VP8/90000", "AV1/90000"))
    assert response.status_code == 406
    assert response.headers["content-type"] == "application/problem+json"
    assert "expected VP8 or H.264" in response.json()["detail"]
    assert not list(node.rooms())


@pytest.mark.parametrize("wildcard", [None, "*", '"*"'])
async def test_candidates_are_taken(
    client: httpx.AsyncClient, offer: str, joined: httpx.Response, wildcard: str | None
):
    text = fragment(offer, CANDIDATE, "a=end-of-candidates\r\n")
    response = await patch(client, joined, text, wildcard or f'"other", {joined.headers["etag"]}')
    assert response.status_code == 204
    assert "etag" not in response.headers


@pytest.mark.parametrize(
    ("match", "status"), [(None, 428), ('"other"', 412), ('W/"other"', 412), ("etag", 412)]
)
async def test_candidates_need_the_entity_tag(
    client: httpx.AsyncClient, offer: str, joined: httpx.Response, match: str | None, status: int
):
    response = await patch(client, joined, fragment(offer, CANDIDATE), match)
    assert response.status_code == status
    assert "If-Match" in response.json()["detail"]


@pytest.mark.parametrize("text", ["", "hello", "v=0\r\n"])
async def test_what_is_no_fragment(client: httpx.AsyncClient, joined: httpx.Response, text: str):
    response = await patch(client, joined, text, "*")
    assert response.status_code == 400
    assert "expected" in response.json()["detail"]


async def test_a_candidate_that_leads_nowhere_is_left_out(client: httpx.AsyncClient, joined: httpx.Response):
    response = await patch(client, joined, "a=candidate:1 1 udp nonsense\r\n", "*")
    assert response.status_code == 204


async def test_a_restart_of_ice_is_refused_and_the_session_stays(
    client: httpx.AsyncClient, offer: str, joined: httpx.Response
):
    response = await patch(client, joined, fragment(offer, CANDIDATE, ufrag="other"), "*")
    assert response.status_code == 422
    assert "ICE restart is not offered" in response.json()["detail"]
    assert (await client.delete(joined.headers["location"], headers=grant())).status_code == 200


async def test_a_renewed_token_ends_the_session(
    client: httpx.AsyncClient, joined: httpx.Response, node: Node
):
    ended = await client.delete(joined.headers["location"], headers=grant() | {"If-Match": '"any"'})
    assert ended.status_code == 200
    assert not list(node.rooms())


async def test_anybody_elses_session_looks_as_if_it_were_not_there(
    client: httpx.AsyncClient, joined: httpx.Response
):
    location = joined.headers["location"]
    unknown = await client.delete("/whip/demo/0", headers=grant())
    for headers in (grant("bob"), grant("ada", "other")):
        response = await client.delete(location, headers=headers)
        assert (response.status_code, response.text) == (404, unknown.text)


async def test_a_subscriber_trickles_and_leaves(client: httpx.AsyncClient, joined: httpx.Response):
    watcher = Peer(LOOPBACK, time.monotonic, lambda _: None, offers=True)
    watcher.receive("video", VIDEO_FORMATS, lambda _: None)
    offer = await watcher.offer()
    response = await post(client, joined.links["related"]["url"], offer)
    assert response.status_code == 201
    assert (await patch(client, response, fragment(offer, CANDIDATE), '"other"')).status_code == 412
    for match in (None, response.headers["etag"]):
        assert (await patch(client, response, fragment(offer, CANDIDATE), match)).status_code == 204
    left = await client.delete(response.headers["location"], headers=grant())
    assert left.status_code == 200
    await watcher.close()


async def test_a_name_of_control_characters_does_not_break_the_list(client: httpx.AsyncClient, offer: str):
    claims = {"sub": "a\ud800\x1b[2J\nda", "aud": "call-guard", "exp": NOW, "jti": "1"}
    rights = {"room": "demo", "publish": True}
    token = jwt.encode(claims | {"guard": rights}, KEY, algorithm="HS256")
    assert (await post(client, "/whip/demo", offer, Authorization=f"Bearer {token}")).status_code == 201
    listed = await client.get("/v1/rooms", headers=grant())
    assert listed.status_code == 200
    (person,) = listed.json()[0]["participants"]
    assert person["name"].isprintable()


@pytest.mark.parametrize(("name", "external_id"), [("Ada", "crm-42"), ("", "")])
async def test_alerts_carry_the_id_of_whoever_gave_the_token(
    client: httpx.AsyncClient, offer: str, node: Node, name: str, external_id: str
):
    token = TOKENS.issue("crm-42", "demo", now=NOW, name=name, publish=True)
    joined = await post(client, "/whip/demo", offer, Authorization=f"Bearer {token}")
    participant = node.session(joined.headers["Location"].rpartition("/")[2]).leg
    assert isinstance(participant, Participant)
    subject = participant.subject
    assert (subject.display_name, subject.external_id) == (name or "crm-42", external_id)
