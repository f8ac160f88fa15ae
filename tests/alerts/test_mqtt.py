import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from guard.alerts.mqtt import BackOff, Dialer, watch
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
    with pytest.raises(DeliveryError, match="trying again until it answers"):
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


def refusing_broker(version: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A broker of MQTT 5 or 3.1.1 that lets everybody in and nobody read."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(2):
            body = await reader.readexactly(head[1])  # all of them are short
            kind, speaks = head[0] >> 4, body[6]
            if kind == 1:
                refused = b"\x84" if speaks == 5 != version else b"\x00"
                writer.write(b"\x20\x03\x00" + refused + b"\x00" if speaks == 5 else b"\x20\x02\x00\x00")
            elif kind == 8:
                code = b"\x00\x87" if version == 5 else b"\x80"
                writer.write(bytes([0x90, 2 + len(code)]) + body[:2] + code)
        writer.close()

    return serve


@pytest.mark.parametrize("version", [5, 4])
async def test_a_subscription_that_the_broker_refuses_is_told(version: int):
    server = await asyncio.start_server(refusing_broker(version), "127.0.0.1", 0)
    settings = MqttSettings(url=f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    refusals: asyncio.Queue[DeliveryError] = asyncio.Queue()
    readied: list[bool] = []
    stream = watch(
        settings,
        ["guard/#"],
        on_ready=lambda: readied.append(True),
        on_lost=refusals.put_nowait,
        jitter=lambda: 0.0,
    )
    async with aclosing(stream), asyncio.timeout(5):
        watching = asyncio.ensure_future(anext(stream))
        for _ in range(2):  # the broker may be given other rights meanwhile
            assert "broker: refused to tell of guard/# (" in str(await refusals.get())
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert readied == []
    server.close()
    await server.wait_closed()
