import asyncio

import pytest

from guard.alerts.mqtt import BackOff, Dialer
from guard.config.settings import MqttSettings
from guard.core.errors import ConfigError, DeliveryError
from tests.support.alerts import free_port

pytestmark = pytest.mark.unit


def test_the_back_off_doubles_up_to_ten_seconds_and_starts_anew_after_a_steady_time():
    back_off = BackOff(jitter=lambda: 1.0)
    delays = [back_off.delay(held=0.0) for _ in range(8)]
    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]
    assert back_off.delay(held=60.0) == 0.2


def test_the_jitter_spreads_nodes_over_the_whole_delay():
    assert BackOff(jitter=lambda: 0.25).delay(held=0.0) == pytest.approx(0.05)


def test_a_thousand_attempts_do_not_overflow():
    back_off = BackOff(jitter=lambda: 1.0)
    assert {back_off.delay(held=0.0) for _ in range(1000)} >= {10.0}


def test_plain_text_to_another_machine_is_refused_before_anything_is_sent():
    with pytest.raises(ConfigError, match="allow_plain"):
        Dialer(MqttSettings(url="mqtt://192.0.2.1"), None)


async def test_nobody_there_is_a_delivery_error():
    dialer = Dialer(MqttSettings(url=f"mqtt://127.0.0.1:{free_port()}"), None)
    with pytest.raises(DeliveryError, match="wait in the outbox"):
        async with dialer.connect():
            pass


async def test_a_broker_that_never_answers_is_given_up_and_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("guard.alerts.mqtt.ANSWER_TIMEOUT", 0.05)
    hung_up = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # everything up to the end of the connection
        hung_up.set()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    dialer = Dialer(MqttSettings(url=f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"), None)
    with pytest.raises(DeliveryError):
        async with dialer.connect():
            pass
    async with asyncio.timeout(5):
        await hung_up.wait()
    server.close()
    await server.wait_closed()


async def test_giving_up_while_connecting_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.alerts.mqtt.ANSWER_TIMEOUT", 0.2)
    called, hung_up = asyncio.Event(), asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        await reader.read()
        hung_up.set()
        writer.close()

    async def connect(dialer: Dialer) -> None:
        async with dialer.connect():
            pass

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    dialer = Dialer(MqttSettings(url=f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"), None)
    attempt = asyncio.create_task(connect(dialer))
    async with asyncio.timeout(5):
        await called.wait()
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        await hung_up.wait()
    assert attempt.cancelled()
    server.close()
    await server.wait_closed()
