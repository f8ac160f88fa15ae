"""How far an IP address reaches, and what of a URL may be shown; pure."""

from enum import Enum, auto, unique
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

METADATA = frozenset(
    ip_address(text)
    for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
"""Where clouds tell machines their secrets, outside the link-local range."""

NOWHERE = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "2001::/32",  # RFC 4380, Teredo: a tunnel to an IPv4 address that it hides
        "64:ff9b:1::/48",  # RFC 8215, a site's own translation to IPv4 addresses of any scope
    )
)
PRIVATE = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # RFC 6598, carriers' NAT
        "192.0.0.0/24",  # RFC 7335, inside a phone's 464XLAT
        "198.18.0.0/15",  # RFC 2544, laboratories
        "fc00::/7",  # RFC 4193
        "fec0::/10",  # RFC 3879, its predecessor
    )
)
NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: an IPv4 address in its last 32 bits."""


@unique
class Scope(Enum):
    """How far an address reaches."""

    PUBLIC = auto()
    PRIVATE = auto()
    LOOPBACK = auto()
    DENIED = auto()
    """No caller is there: link-local, metadata, multicast, broadcast, unspecified, reserved, no address."""


def scope_of(text: str) -> Scope:
    """The scope of an address in any spelling; one of IPv4 inside one of IPv6 counts as itself."""
    try:
        address = _unwrapped(ip_address(text.partition("%")[0]))
    except ValueError:
        return Scope.DENIED
    if address.is_loopback:
        return Scope.LOOPBACK
    if address in METADATA or _within(address, NOWHERE) or _reaches_no_caller(address):
        return Scope.DENIED
    return Scope.PRIVATE if _within(address, PRIVATE) else Scope.PUBLIC


def is_loopback(host: str) -> bool:
    """Whether a host name or address stays on this machine."""
    return host.lower() == "localhost" or scope_of(host) is Scope.LOOPBACK


def without_secrets(url: str) -> str:
    """The URL as it may be shown: who asks, a query and a fragment may each hold a password or a token."""
    try:
        parts = urlsplit(url)
    except ValueError:  # an IPv6 address that is none
        return "an address that is none"
    if not parts.netloc:  # no // before it, so what stands there is read as a path
        return url.partition("?")[0].rpartition("@")[2]
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
    return address.ipv4_mapped or address.sixtofour or nat64 or address


def _within(address: IPv4Address | IPv6Address, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(address in network for network in networks)


def _reaches_no_caller(address: IPv4Address | IPv6Address) -> bool:
    return address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved
