"""Which addresses a peer may have us send to, and which of ours it is told; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from guard.core.addresses import Scope, scope_of

MAX_MDNS_NAMES = 4
"""Different names of a call that are looked up (draft-ietf-mmusic-mdns-ice-candidates)."""


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
