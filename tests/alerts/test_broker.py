import asyncio
import socket

import pytest

from guard.alerts.broker import EmbeddedBroker
from guard.config.settings import MqttSettings
from guard.core.errors import ConfigError, EnvironmentProblem
from tests.support.alerts import PATIENCE_S, watching

pytestmark = pytest.mark.unit


async def test_it_listens_on_a_free_port_and_lets_go_of_it():
    async with EmbeddedBroker() as broker:
        assert broker.port > 0
        async with watching(MqttSettings(url=broker.url)):
            pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(broker.host, broker.port)


async def test_it_can_be_started_again_on_the_same_port():
    broker = EmbeddedBroker()
    for _ in range(2):
        await broker.start()
        async with watching(MqttSettings(url=broker.url)):
            pass
        await broker.stop()


async def test_a_watcher_outlives_its_broker():
    broker = EmbeddedBroker()
    await broker.start()
    async with watching(MqttSettings(url=broker.url)) as watcher:
        watcher.ready.clear()
        await broker.stop()
        await broker.start()
        async with asyncio.timeout(PATIENCE_S):
            await watcher.ready.wait()
    await broker.stop()


async def test_stopping_twice_is_harmless():
    broker = EmbeddedBroker()
    await broker.stop()
    await broker.start()
    await broker.stop()
    await broker.stop()


async def test_a_port_in_use_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        broker = EmbeddedBroker(port=taken.getsockname()[1])
        with pytest.raises(EnvironmentProblem, match="choose another port"):
            await broker.start()


def test_it_is_for_this_machine_only():
    with pytest.raises(ConfigError, match="loopback"):
        EmbeddedBroker("0.0.0.0")  # noqa: S104 -- the address that must be refused
