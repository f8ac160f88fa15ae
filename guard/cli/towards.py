"""How a command offers itself to a server that may stand on the same machine."""

from urllib.parse import urlsplit

from guard.alerts.address import is_loopback
from guard.config import IceSettings
from guard.media.transport import machine_addresses

LOOPBACK = "127.0.0.1"


def towards(ice: IceSettings, url: str) -> IceSettings:
    """The settings, with loopback added where the server at ``url`` is on this machine."""
    if not is_loopback(urlsplit(url).hostname or ""):
        return ice
    addresses = ice.host_addresses or (LOOPBACK, *machine_addresses())
    return ice.model_copy(update={"host_addresses": addresses, "allow_loopback": True})
