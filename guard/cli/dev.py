"""What ``guard serve --dev`` adds: loopback, links that open the pages, and on request the local network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from guard.cli.clock import wall
from guard.config import Settings
from guard.core.units import Seconds
from guard.web.certificate import make_certificate
from guard.web.tokens import TokenIssuer

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 -- what --lan is for
ROOM = "dev"
DAY: Seconds = 86400.0

GUESTS = ("Guest 1", "Guest 2")
"""For each a link: sessions belong to the subject of a token."""

Say = Callable[[str], None]


@contextmanager
def for_trying_out(settings: Settings, say: Say, *, lan: bool) -> Iterator[Settings]:
    """The settings with loopback allowed; with ``lan``, listening everywhere with a certificate made now."""
    here = lan_addresses()
    ours = settings.ice.host_addresses or (LOOPBACK, *here)
    ice = settings.ice.model_copy(update={"allow_loopback": True, "host_addresses": ours})
    web = settings.web
    with TemporaryDirectory(prefix="guard-") as folder:
        if lan:
            web = web.model_copy(update={"host": EVERYWHERE})
        if lan and not web.secure:
            made = make_certificate(Path(folder), here, wall())
            web = web.model_copy(update={"tls_cert": made.cert, "tls_key": made.key})
            say(f"certificate made for this run; browsers will warn: SHA-256 {made.fingerprint}")
        # a printed link may go to several people, who are one person to us
        most = {"person_publications": settings.media.room_participants}
        media = settings.media.model_copy(update=most)
        yield settings.model_copy(update={"ice": ice, "web": web, "media": media})


def tell_links(issuer: TokenIssuer, address: str, say: Say) -> None:
    """Print a token for the room ``dev``, and the pages that open with one."""
    now = wall().timestamp()
    token = issuer.issue("dev", ROOM, now=now, lifetime=DAY, publish=True, subscribe=True, admin=True)
    guests = [
        issuer.issue(guest, ROOM, now=now, lifetime=DAY, publish=True, subscribe=True) for guest in GUESTS
    ]
    say(f"token for the room {ROOM}: {token}")
    for place in _places(address):
        for guest in guests:
            say(f"join:    {place}/join/{ROOM}#token={guest}")
        say(f"console: {place}/#token={token}")


def lan_addresses() -> tuple[str, ...]:
    """The IPv4 addresses under which others may reach this machine, those of private networks first.

    Addresses of virtual bridges are among them: nobody can tell them apart.
    """
    from guard.media.transport import machine_addresses  # noqa: PLC0415 -- heavy, see guard.cli.serve

    found = {ip_address(one) for one in machine_addresses()}
    usable = (
        one for one in found if isinstance(one, IPv4Address) and not (one.is_loopback or one.is_link_local)
    )
    return tuple(str(one) for one in sorted(usable, key=lambda one: (not one.is_private, one)))


def _places(address: str) -> Iterator[str]:
    """The address, or where it means all of the machine, one for each way to reach it."""
    if EVERYWHERE not in address:
        yield address
        return
    for here in (*lan_addresses(), LOOPBACK):
        yield address.replace(EVERYWHERE, here)
