"""What ``guard doctor`` says of addresses, ports, broker and ICE servers."""

import asyncio
import socket
from pathlib import Path

import pytest

from guard.cli.doctor.check import Level, good
from guard.cli.doctor.network import NOT_ASKED, network
from guard.config import IceSettings, MqttSettings, Settings, WebSettings
from tests.support.alerts import free_port, mosquitto
from tests.support.checks import named

pytestmark = pytest.mark.media


def with_ports(first: int, last: int, *, sessions: int = 1) -> Settings:
    ice = IceSettings(host_addresses=("127.0.0.1",), port_min=first, port_max=last)
    settings = Settings(
        ice=ice, web=WebSettings(port=0), mqtt=MqttSettings(url=f"mqtt://127.0.0.1:{free_port()}")
    )
    return settings.model_copy(update={"media": settings.media.model_copy(update={"sessions": sessions})})


def test_a_broker_on_this_machine_is_asked_and_missed():
    check = named(network(with_ports(0, 0), ask=False), "MQTT broker")
    assert check.level is Level.WARNING
    assert "refused" in check.found
    assert "alerts wait on disk" in check.mend


async def test_a_broker_that_answers_says_its_version(tmp_path: Path):
    async with mosquitto(tmp_path) as broker:
        settings = Settings(mqtt=MqttSettings(url=broker.url))
        found = await asyncio.to_thread(lambda: list(network(settings, ask=False)))
    assert named(found, "MQTT broker").found == "answers, MQTT 5"


def test_nobody_elsewhere_is_asked_unless_wanted(monkeypatch: pytest.MonkeyPatch):
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asking: asked.append(asking))
    settings = Settings(
        mqtt=MqttSettings(url="mqtts://broker.example"),
        ice=IceSettings(servers=("stun:stun.example:3478",)),
    )
    found = list(network(settings, ask=False))
    assert named(found, "MQTT broker").found == NOT_ASKED
    assert named(found, "ICE server stun:stun.example:3478").found == NOT_ASKED
    assert asked == []


@pytest.mark.parametrize(
    ("server", "host"),
    [("stun:localhost:3478", "localhost"), ("stuns:localhost", "localhost"), ("stun:[::1]:5349", "::1")],
)
def test_an_ice_server_is_resolved_where_wanted(monkeypatch: pytest.MonkeyPatch, server: str, host: str):
    def resolve(name: str, _port: None) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        assert name == host
        return [(2, 1, 6, "", ("127.0.0.1", 0))]

    settings = with_ports(0, 0)
    ice = settings.ice.model_copy(update={"servers": (server,)})
    with monkeypatch.context() as patch:
        patch.setattr(
            "guard.cli.doctor.network._broker", lambda *_, ask: good("network", "MQTT broker", str(ask))
        )
        patch.setattr(socket, "getaddrinfo", resolve)
        found = list(network(settings.model_copy(update={"ice": ice}), ask=True))
    assert named(found, f"ICE server {server}").found == "resolves to 127.0.0.1"


def test_an_address_that_is_not_this_machines_fails():
    settings = Settings(
        ice=IceSettings(host_addresses=("198.51.100.1",)), mqtt=MqttSettings(url="mqtts://b.example")
    )
    check = named(network(settings, ask=False), "media address 198.51.100.1")
    assert (check.level, check.mend) == (Level.FAILED, "correct ice.host_addresses")


def test_media_ports_that_are_taken_are_counted():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("", 0))
        port = taken.getsockname()[1]
        check = named(network(with_ports(port, port), ask=False), "media ports")
    assert check.level is Level.FAILED
    assert check.found == f"0 of 1 UDP ports from {port} are free"


def test_a_range_of_ports_narrower_than_the_sessions_is_a_warning():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("", 0))
        port = probe.getsockname()[1]
    check = named(network(with_ports(port, port, sessions=5), ask=False), "media ports")
    assert check.level is Level.WARNING
    assert check.expected == "5, one a session (media.sessions)"


def test_a_web_port_that_is_taken_is_a_warning():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(web=WebSettings(port=port), mqtt=MqttSettings(url="mqtts://b.example"))
        check = named(network(settings, ask=False), f"web 127.0.0.1:{port}")
    assert (check.level, check.found) == (Level.WARNING, "something listens there already")


def test_plain_http_for_others_is_a_warning():
    settings = Settings(web=WebSettings(host="0.0.0.0", port=0), mqtt=MqttSettings(url="mqtts://b.example"))  # noqa: S104 -- the point
    assert named(network(settings, ask=False), "HTTPS").level is Level.WARNING
