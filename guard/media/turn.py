"""STUN and TURN servers: as callers are told of them, and as an endpoint names them; pure."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from guard.config import IceSettings, is_ice_server
from guard.core.units import Seconds

LIFETIME: Seconds = 3600.0
MAX_SERVERS = 8
MAX_LINK_CHARS = 8192

DEFAULT_PORTS = {"turn": 3478, "turns": 5349}
"""RFC 7065 section 3.2."""

LINK = re.compile(
    r"""<([^<>]*)>((?:\s*;\s*[\w!#$%&'*+.^`|~-]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s",;<>]+))?)*)"""
)
"""One link with its attributes (RFC 8288 section 3)."""

ATTRIBUTE = re.compile(r""";\s*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;<>]+)))?""")


Transport: TypeAlias = Literal["udp", "tcp"]


@dataclass(frozen=True, slots=True)
class Relay:
    """How to reach a TURN server."""

    host: str
    port: int
    transport: Transport
    tls: bool


@dataclass(frozen=True, slots=True)
class IceServer:
    """One server; STUN servers have no credentials."""

    url: str
    """Such as ``turn:host:3478?transport=udp`` (RFC 7064, RFC 7065)."""
    username: str | None = None
    credential: str | None = field(default=None, repr=False)

    @property
    def relays(self) -> bool:
        """Whether it is a TURN server."""
        return self.url.startswith("turn")

    @property
    def host(self) -> str:
        """Its name or address; empty where the URI is none."""
        try:
            return urlsplit(f"//{self.url.partition(':')[2]}").hostname or ""
        except ValueError:  # an IPv6 address that is none
            return ""

    def relay(self) -> Relay | None:
        """How to reach it, if it is a TURN server over UDP, TCP or TLS; None for others."""
        scheme, _, rest = self.url.partition(":")
        if scheme not in DEFAULT_PORTS or not is_ice_server(self.url):
            return None
        tls = scheme == "turns"
        try:
            place = urlsplit(f"//{rest}")
            port = place.port or DEFAULT_PORTS[scheme]
        except ValueError:  # a port or an IPv6 address that is none
            return None
        transport: Transport = "udp" if place.query == "transport=udp" or not (tls or place.query) else "tcp"
        if tls and transport == "udp":
            return None
        return Relay(place.hostname or "", port, transport, tls)


def servers_for(ice: IceSettings, owner: str, now: float) -> tuple[IceServer, ...]:
    """The servers for one caller at ``now`` (POSIX seconds); TURN credentials of their own for an hour.

    With ``ice.turn_secret`` as draft-uberti-behave-turn-rest-00 section 2.2 has it: the name is its expiry
    and an id, the password the HMAC-SHA1 of the name. The id tells callers apart and does not name them.
    """
    username = ice.username
    credential = ice.credential.get_secret_value() if ice.credential else None
    if ice.turn_secret is not None:
        secret = ice.turn_secret.get_secret_value().encode()
        caller = hmac.digest(secret, f"caller {owner}".encode(), hashlib.sha256).hex()[:16]
        username = f"{int(now + LIFETIME)}:{caller}"
        credential = base64.b64encode(hmac.digest(secret, username.encode(), hashlib.sha1)).decode()
    servers = (IceServer(url) for url in ice.servers)
    return tuple(IceServer(one.url, username, credential) if one.relays else one for one in servers)


def relays_for(ice: IceSettings, owner: str, now: float) -> tuple[IceServer, ...] | None:
    """Our own TURN servers for a call to elsewhere, as ``servers_for``; None where we have none."""
    return tuple(one for one in servers_for(ice, owner, now) if one.relays) or None


def link_value(server: IceServer) -> str:
    """The value of a ``Link`` header (RFC 9725 section 4.6)."""
    link = f'<{server.url}>; rel="ice-server"'
    if server.username is None or server.credential is None:
        return link
    username, credential = _quoted(server.username), _quoted(server.credential)
    return f'{link}; username={username}; credential={credential}; credential-type="password"'


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a ``Link`` header (RFC 8288 section 3)."""

    target: str
    attributes: dict[str, str]
    """By name in lower case; of two with one name the first counts."""

    def means(self, relation: str) -> bool:
        """Whether this is one of its relation types."""
        return relation in self.attributes.get("rel", "").lower().split()


def links_in(headers: Iterable[str]) -> tuple[Link, ...]:
    """The links of ``Link`` headers, from their first 8192 characters; what is none is left out."""
    found = LINK.findall(", ".join(headers)[:MAX_LINK_CHARS])
    return tuple(Link(target, _attributes(rest)) for target, rest in found)


def servers_in(links: Iterable[Link]) -> tuple[IceServer, ...]:
    """The first eight servers among these links (RFC 9725 section 4.6); unsound ones are left out."""
    return tuple(_servers(links))[:MAX_SERVERS]


def _servers(links: Iterable[Link]) -> Iterator[IceServer]:
    for link in links:
        known = link.means("ice-server") and is_ice_server(link.target)
        if known and link.attributes.get("credential-type", "password") == "password":
            username, credential = link.attributes.get("username"), link.attributes.get("credential")
            server = IceServer(link.target, username, credential)
            yield server if server.relays else IceServer(link.target)


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, quoted, token in ATTRIBUTE.findall(text):
        found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or token)
    return found


def _quoted(text: str) -> str:
    """A quoted string (RFC 9110 section 5.6.4)."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
