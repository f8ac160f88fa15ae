"""Addresses and ports for media, the web port, the broker, STUN and TURN servers."""

import asyncio
import errno
import socket
from contextlib import closing
from ipaddress import ip_address

from guard.alerts.address import BrokerAddress
from guard.cli.doctor.check import Check, Checks, Level, good, trial
from guard.config import IceSettings, Settings
from guard.core.addresses import is_loopback
from guard.core.errors import DeliveryError
from guard.media.turn import IceServer

AREA = "network"
NOT_ASKED = "not asked; --network asks"
MOST_PORTS = 2000
"""Ports of the range that are tried."""


def network(settings: Settings, *, ask: bool) -> Checks:
    """What a node would bind and reach; only ``ask`` lets a packet leave this machine."""
    yield from _addresses(settings.ice)
    yield _media_ports(settings)
    yield _web_port(settings)
    yield from _https(settings)
    yield _broker(settings, ask=ask)
    for server in settings.ice.servers:
        yield _ice_server(server, ask=ask)


def _addresses(ice: IceSettings) -> Checks:
    from guard.media.transport import machine_addresses  # noqa: PLC0415 -- heavy, may be broken

    offered = ice.host_addresses or machine_addresses()
    if not offered:
        mend = 'connect the machine, or for trials on it alone set ice.host_addresses = ["127.0.0.1"]'
        yield Check(AREA, "media addresses", Level.FAILED, "none", "one at least", mend)
        return
    for address in offered:
        mend = "correct ice.host_addresses"
        yield trial(AREA, f"media address {address}", lambda one=address: _bind(one, 0), mend=mend)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    if ice.public_address:
        yield good(AREA, "public address", f"{ice.public_address}, told in place of these")
    elif all(ip_address(one).is_private for one in offered) and not ice.servers:
        found = "private addresses only, no STUN or TURN server"
        mend = "for callers from elsewhere set ice.public_address or ice.servers"
        yield Check(AREA, "reachability", Level.WARNING, found, "a way for callers from elsewhere", mend)


def _bind(address: str, port: int) -> str:
    with closing(_udp_socket(address, port)) as bound:
        return f"UDP can be bound (port {bound.getsockname()[1]})" if port else "UDP can be bound"


def _udp_socket(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


def _media_ports(settings: Settings) -> Check:
    ice, name = settings.ice, "media ports"
    if not ice.port_min:
        return good(AREA, name, "any free UDP port (behind a firewall set ice.port_min and ice.port_max)")
    ports = range(ice.port_min, ice.port_max + 1)[:MOST_PORTS]
    free = sum(map(_is_free, ports))
    found = f"{free} of {len(ports)} UDP ports from {ice.port_min} are free"
    wanted = min(settings.media.sessions, MOST_PORTS)
    if free >= wanted:
        return good(AREA, name, found)
    level = Level.WARNING if free else Level.FAILED
    mend = "widen ice.port_min to ice.port_max, or lower media.sessions"
    return Check(AREA, name, level, found, f"{wanted}, one a session (media.sessions)", mend)


def _is_free(port: int) -> bool:
    try:
        _udp_socket("", port).close()
    except OSError:
        return False
    return True


def _web_port(settings: Settings) -> Check:
    web = settings.web
    name = f"web {web.host}:{web.port}"
    try:
        socket.create_server(
            (web.host, web.port), family=socket.AF_INET6 if ":" in web.host else socket.AF_INET
        ).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            found = "something listens there already"
            return Check(AREA, name, Level.WARNING, found, "free", "if it is no guard of yours, set web.port")
        mend = "set web.host to an address of this machine, and web.port to one that may be bound"
        return Check(AREA, name, Level.FAILED, error.strerror or str(error), "can be bound", mend)
    return good(AREA, name, "free")


def _https(settings: Settings) -> Checks:
    web = settings.web
    if not (web.secure or web.trusted_proxies or is_loopback(web.host)):
        mend = "set web.tls_cert and web.tls_key, or a proxy in web.trusted_proxies"
        found = "plain HTTP for other machines"
        yield Check(AREA, "HTTPS", Level.WARNING, found, "HTTPS: browsers open no camera without", mend)


def _broker(settings: Settings, *, ask: bool) -> Check:
    name = "MQTT broker"
    try:
        address = BrokerAddress.of(settings.mqtt)
    except ValueError as error:  # ConfigError is one, and is told by the configuration's own check
        return Check(AREA, name, Level.FAILED, str(error))
    if not (ask or is_loopback(address.host)):
        return good(AREA, name, NOT_ASKED)
    mend = "start it, or correct mqtt.url, mqtt.username and mqtt.password; alerts wait on disk meanwhile"
    return trial(AREA, name, lambda: asyncio.run(_greet(settings)), level=Level.WARNING, mend=mend)


async def _greet(settings: Settings) -> str:
    from guard.alerts.mqtt import Dialer  # noqa: PLC0415 -- may be broken

    dialer = Dialer(settings.mqtt, None)
    try:
        async with dialer.connect():
            return f"answers, MQTT {dialer.protocol.removeprefix('V')}"
    except DeliveryError as error:
        raise OSError(str(error).partition(";")[0].removeprefix("broker: ")) from None


def _ice_server(server: str, *, ask: bool) -> Check:
    name = f"ICE server {server}"
    if not ask:
        return good(AREA, name, NOT_ASKED)

    def resolve() -> str:
        found = {str(one[4][0]) for one in socket.getaddrinfo(IceServer(server).host, None)}
        return f"resolves to {', '.join(sorted(found))}"

    return trial(AREA, name, resolve, level=Level.WARNING, mend="correct ice.servers, or the DNS")
