import base64
import hashlib
import hmac

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from guard.config import IceSettings
from guard.media.turn import (
    IceServer,
    Link,
    Relay,
    link_value,
    links_in,
    relays_for,
    servers_for,
    servers_in,
)

pytestmark = pytest.mark.unit

URLS = ("stun:stun.example.org:3478", "turn:turn.example.org:3478?transport=udp", "turns:turn.example.org")
SECRET = "north"  # noqa: S105 -- of nobody
NOW = 1_800_000_000.4


def test_without_servers_callers_are_told_of_none():
    assert servers_for(IceSettings(), "visitor", NOW) == ()


def test_a_shared_secret_gives_each_caller_credentials_for_an_hour():
    ice = IceSettings(servers=URLS, turn_secret=SecretStr(SECRET))
    stun, turn, turns = servers_for(ice, "Anna Berg", NOW)
    assert stun == IceServer(URLS[0])
    assert (turn.username, turn.credential) == (turns.username, turns.credential)
    assert turn.username is not None
    expiry, _, caller = turn.username.partition(":")
    assert expiry == "1800003600"
    assert len(caller) == 16
    assert "Anna" not in turn.username
    # as coturn computes it with use-auth-secret
    digest = hmac.new(SECRET.encode(), turn.username.encode(), hashlib.sha1).digest()
    assert turn.credential == base64.b64encode(digest).decode()
    assert servers_for(ice, "Anna Berg", NOW)[1] == turn
    assert servers_for(ice, "Ben Cole", NOW)[1].username != turn.username
    assert turn.credential not in repr(turn)


def test_a_password_of_the_settings_is_handed_on():
    ice = IceSettings(servers=URLS, username="guard", credential=SecretStr("pass"))
    assert servers_for(ice, "visitor", NOW) == (
        IceServer(URLS[0]),
        IceServer(URLS[1], "guard", "pass"),
        IceServer(URLS[2], "guard", "pass"),
    )


def test_for_a_call_to_elsewhere_our_own_turn_servers_count_and_stun_servers_do_not():
    ice = IceSettings(
        servers=("stun:s.example", "turn:t.example"), username="ada", credential=SecretStr("pw")
    )
    assert relays_for(ice, "p", now=0.0) == (IceServer("turn:t.example", "ada", "pw"),)
    assert relays_for(IceSettings(servers=("stun:s.example",)), "p", now=0.0) is None


@pytest.mark.parametrize(
    ("url", "host"),
    [("stun:s.example", "s.example"), ("turns:[2001:db8::1]:1?transport=tcp", "2001:db8::1"), ("turn:[", "")],
)
def test_a_server_has_a_host(url: str, host: str):
    assert IceServer(url).host == host


def test_links_look_as_the_standard_has_them():
    assert link_value(IceServer("stun:stun.example.net")) == '<stun:stun.example.net>; rel="ice-server"'
    assert link_value(IceServer("turn:turn.example.net?transport=udp", "user", "myPassword")) == (
        '<turn:turn.example.net?transport=udp>; rel="ice-server"; '
        'username="user"; credential="myPassword"; credential-type="password"'
    )


PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40)


@given(
    told=st.lists(st.tuples(st.sampled_from(URLS), PRINTABLE, PRINTABLE), max_size=8), joined=st.booleans()
)
def test_links_are_read_as_they_were_written(told: list[tuple[str, str, str]], *, joined: bool):
    servers = tuple(
        IceServer(url, *((username, credential) if url.startswith("turn") else ()))
        for url, username, credential in told
    )
    headers = [link_value(server) for server in servers]
    assert servers_in(links_in([", ".join(headers)] if joined else headers)) == servers


def test_other_links_and_unsound_servers_are_left_out():
    headers = [
        '</whep/a>; rel="related", <stun:a>;rel=ice-server',
        '<stun:b>; REL="Other ICE-Server"',
        '<turn:c>; rel=ice-server; username=u; credential="p"; credential-type=oauth',
        '<https://d>; rel="ice-server"',
        "<stun:e f>; rel=ice-server",
        "<stun:g?transport=udp>; rel=ice-server",
        '<turn:h:1>; rel="ice-server"; username="x,\\"<y>;"; credential="p\\\\"; rel="none"',
        '<stun:i>; rel="ice-server',
        "<stun:j>",
    ]
    assert servers_in(links_in(headers)) == (
        IceServer("stun:a"),
        IceServer("stun:b"),
        IceServer("turn:h:1", 'x,"<y>;', "p\\"),
    )
    assert links_in(headers)[0] == Link("/whep/a", {"rel": "related"})


def test_no_more_than_eight_servers_are_taken():
    assert len(servers_in(links_in(f"<stun:s{n}>; rel=ice-server" for n in range(50)))) == 8


@given(st.text(st.sampled_from('<>;="\\, ar:stun'), max_size=300))
def test_any_header_is_read(text: str):
    assert len(servers_in(links_in([text]))) <= 8


def test_a_long_hostile_header_is_read_in_time():
    links_in(['<a>;a="\\' * 10_000, "<a>" + ";a" * 10_000 + "!", "<" * 100_000])


@pytest.mark.parametrize(
    ("url", "relay"),
    [
        ("turn:t.example.org", Relay("t.example.org", 3478, "udp", tls=False)),
        ("turn:192.0.2.1:80?transport=tcp", Relay("192.0.2.1", 80, "tcp", tls=False)),
        ("turn:[2001:db8::1]:3478?transport=udp", Relay("2001:db8::1", 3478, "udp", tls=False)),
        ("turns:t", Relay("t", 5349, "tcp", tls=True)),
        ("turns:t:443?transport=tcp", Relay("t", 443, "tcp", tls=True)),
        ("turns:t?transport=udp", None),
        ("turn:t:99999", None),
        ("turn:[::gg]", None),
        ("stun:t", None),
        ("stuns:t", None),
        ("turn:", None),
        ("http://t", None),
    ],
)
def test_a_turn_server_says_how_it_is_reached(url: str, relay: Relay | None):
    assert IceServer(url).relay() == relay


def test_http_carries_the_links():
    server = IceServer("turn:t", 'a"b', "c")
    response = httpx.Response(201, headers=[("Link", "</x>; rel=related"), ("Link", link_value(server))])
    assert servers_in(links_in(response.headers.get_list("Link"))) == (server,)
