"""What ``guard serve --dev`` adds: loopback, links that open the pages, and on request the local network."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from guard.config import Settings
from guard.core.units import Seconds
from guard.web.certificate import lan_addresses, make_certificate
from guard.web.tokens import TokenIssuer

LOOPBACK = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 -- what --lan is for
ROOM = "dev"
DAY: Seconds = 86400.0

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
            made = make_certificate(Path(folder), here, datetime.now(UTC))  # noqa: TID251 -- the edge where the date is read
            web = web.model_copy(update={"tls_cert": made.cert, "tls_key": made.key})
            say(f"certificate made for this run; browsers will warn: SHA-256 {made.fingerprint}")
        yield settings.model_copy(update={"ice": ice, "web": web})


def tell_links(issuer: TokenIssuer, address: str, say: Say) -> None:
    """Print a token for the room ``dev``, and the pages that open with one."""
    now = time.time()  # noqa: TID251 -- the edge where a token's date is read
    token = issuer.issue("dev", ROOM, now=now, lifetime=DAY, publish=True, subscribe=True, admin=True)
    guest = issuer.issue("guest", ROOM, now=now, lifetime=DAY, publish=True, subscribe=True)
    say(f"token for the room {ROOM}: {token}")
    for place in _places(address):
        say(f"join:    {place}/join/{ROOM}#token={guest}")
        say(f"console: {place}/#token={token}")


def _places(address: str) -> Iterator[str]:
    """The address, or where it means all of the machine, one for each way to reach it."""
    if EVERYWHERE not in address:
        yield address
        return
    for here in (*lan_addresses(), LOOPBACK):
        yield address.replace(EVERYWHERE, here)
