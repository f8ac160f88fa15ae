import pytest

from guard.alerts.address import BrokerAddress
from guard.config.settings import MqttSettings
from guard.core.errors import ConfigError

pytestmark = pytest.mark.unit


def address(url: str, **settings: bool) -> BrokerAddress:
    return BrokerAddress.of(MqttSettings.model_validate({"url": url, **settings}))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://127.0.0.1", BrokerAddress("127.0.0.1", 1883, tls=False)),
        ("mqtt://localhost:2000", BrokerAddress("localhost", 2000, tls=False)),
        ("mqtt://[::1]:1883/", BrokerAddress("::1", 1883, tls=False)),
        ("mqtts://broker.example", BrokerAddress("broker.example", 8883, tls=True)),
        ("mqtts://broker.example:9999", BrokerAddress("broker.example", 9999, tls=True)),
    ],
)
def test_reads_an_address(url: str, expected: BrokerAddress):
    assert address(url) == expected


@pytest.mark.parametrize("url", ["mqtt://broker.example", "mqtt://10.0.0.1", "mqtt://127.0.0.1.example"])
def test_plain_text_to_another_machine_needs_a_decision(url: str):
    with pytest.raises(ConfigError, match="allow_plain"):
        address(url)
    assert not address(url, allow_plain=True).tls


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:1883",
        "http://127.0.0.1",
        "mqtt://",
        "mqtt://127.0.0.1:99999",
        "mqtt://h/x",
        "mqtt://[::1",
    ],
)
def test_anything_else_is_refused(url: str):
    with pytest.raises(ConfigError, match=r"^mqtt\.url: "):
        address(url)


def test_a_password_in_the_address_is_refused_and_not_echoed():
    with pytest.raises(ConfigError, match=r"mqtt\.password") as refusal:
        address("mqtts://ada:s3cret@broker.example")
    assert "s3cret" not in str(refusal.value)


def test_a_password_that_breaks_the_address_is_not_echoed_either():
    with pytest.raises(ConfigError) as refusal:
        address("mqtts://ada:s3/cret@broker.example")
    assert "s3" not in str(refusal.value)
