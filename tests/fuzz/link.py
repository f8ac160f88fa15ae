"""What an endpoint that we call answers with, apart from the SDP: ``Link`` headers and its problems."""

from collections.abc import Iterator

import httpx

from guard.config import is_ice_server
from guard.media.turn import MAX_LINK_CHARS, MAX_SERVERS, link_value, links_in, servers_in
from guard.media.whip import MAX_PROBLEM_TEXT, _joined, _refusal, _same_place
from tests.fuzz.loop import Target

URL = httpx.URL("http://192.0.2.1:8080/whip/room")
MAX_PORT = 65535


def check_link(value: bytes) -> None:
    """A few sound servers and addresses come out, which we can write down again; a refusal is harmless."""
    links = links_in(httpx.Headers([(b"Link", value)]).get_list("Link"))
    servers = servers_in(links)
    assert len(servers) <= MAX_SERVERS
    whole = tuple(server for server in servers if (server.username is None) == (server.credential is None))
    assert servers_in(links_in(map(link_value, whole))) == whole
    for server in servers:
        assert is_ice_server(server.url)
        relay = server.relay()
        assert relay is None or (relay.host == server.host and 0 < relay.port <= MAX_PORT)
    related = (_joined(URL, link.target) for link in links if link.means("related"))
    address = next(filter(None, related), None)
    assert address is None or not (_same_place(URL, address) and address.host != URL.host)
    for media_type in ("application/problem+json", "text/plain"):
        response = httpx.Response(500, headers={"Content-Type": media_type})
        words = str(_refusal(str(URL), response, value.decode(errors="replace")))
        assert words.isprintable()
        assert len(words) <= MAX_PROBLEM_TEXT + 100


def costly_links() -> Iterator[bytes]:
    """Headers that begin links and attributes over and over, and end none."""
    for part in (
        b"<",
        b"<>;",
        b'<>;a="',
        b"<>;a=",
        b"<> ; ",
        b'<>;a="\\',
        b"<stun:a>;rel=ice-server,",
        b"<http://[>;rel=related,",
        b"[",
        b'{"a":',
    ):
        yield part * (MAX_LINK_CHARS // len(part))
        yield b'<turn:a>;rel="ice-server' + part * (MAX_LINK_CHARS // len(part))
        yield part + b" " * MAX_LINK_CHARS


TOKENS = tuple(
    b"""rel="ice-server" rel=related username=" credential=" credential-type="password" <turn: <turns:
    <stun: ?transport=udp ?transport=tcp \\" [::1] [::1%25eth0] :99999 <//a@b:c <?# "detail": {"title":
    """.split()
)

LINK = Target(
    "link",
    check_link,
    10,
    text=True,
    tokens=TOKENS,
    costly=costly_links,
)
