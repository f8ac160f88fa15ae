"""Which addresses a peer may have us send to, and which of ours it is told; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto, unique
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

MAX_MDNS_NAMES = 4
"""Different names of a call that are looked up (draft-ietf-mmusic-mdns-ice-candidates)."""

METADATA = frozenset(
    ip_address(text)
    for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
"""Where clouds tell machines their secrets, outside the link-local range."""

THIS_NETWORK = ip_network("0.0.0.0/8")
PRIVATE = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # RFC 6598, carriers' NAT
        "192.0.0.0/24",  # RFC 7335, inside a phone's 464XLAT
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
    if address in METADATA or address in THIS_NETWORK or _reaches_no_caller(address):
        return Scope.DENIED
    return Scope.PRIVATE if any(address in network for network in PRIVATE) else Scope.PUBLIC


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
    return address.ipv4_mapped or address.sixtofour or nat64 or address


def _reaches_no_caller(address: IPv4Address | IPv6Address) -> bool:
    return address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved


@dataclass(frozen=True, slots=True)
class CandidatePolicy:
    """Which of a peer's ICE candidates are used (RFC 8445 section 19.1 on what they could be abused for)."""

    private: bool
    """Whether private addresses are: RFC 1918, RFC 4193, RFC 6598."""
    loopback: bool

    @classmethod
    def of(cls, own: Iterable[str], *, allow_loopback: bool) -> Self:
        """The policy of a node that listens on these addresses.

        Private addresses are used where the node has one of its own, or listens on loopback only, from
        where nothing but this machine is reached.
        """
        scopes = {scope_of(address) for address in own}
        return cls(Scope.PRIVATE in scopes or scopes == {Scope.LOOPBACK}, allow_loopback)

    def allows(self, address: str) -> bool:
        """Whether to send to this address; never to what is none."""
        match scope_of(address):
            case Scope.PUBLIC:
                return True
            case Scope.PRIVATE:
                return self.private
            case Scope.LOOPBACK:
                return self.loopback
        return False


def told_address(own: str, public: str | None) -> str:
    """What a peer is told for an address of ours: ``public`` in place of one that it cannot reach (1:1 NAT).

    An address of the other IP version stays.
    """
    if public is None or scope_of(own) is Scope.PUBLIC or (":" in own) != (":" in public):
        return own
    return public
