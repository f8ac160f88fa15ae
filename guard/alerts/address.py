"""Where the broker is, and whether we may speak to it in plain text."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from guard.config.settings import MqttSettings
from guard.core.addresses import is_loopback
from guard.core.errors import ConfigError

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Host and port of a broker, and whether TLS is spoken there."""

    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, settings: MqttSettings) -> Self:
        """Read ``mqtt.url``; raise ConfigError when it is none or would send alerts in the open."""
        try:
            url = urlsplit(settings.url)
            port = url.port
        except ValueError:  # its words may hold a part of a password
            raise _bad_url("mqtt://HOST[:PORT] or mqtts://HOST[:PORT] was expected") from None
        if url.scheme not in DEFAULT_PORTS or not url.hostname or url.path.strip("/") or url.query:
            raise _bad_url("mqtt://HOST[:PORT] or mqtts://HOST[:PORT] was expected")
        if url.username or url.password:
            # never echo the address: it holds a secret
            raise _bad_url("credentials do not belong there: set mqtt.username and mqtt.password")
        tls = url.scheme == "mqtts"
        if not (tls or settings.allow_plain or is_loopback(url.hostname)):
            raise _bad_url(
                "plain mqtt:// to another machine shows alerts to the network: "
                "use mqtts://, or set mqtt.allow_plain = true where the network itself is trusted"
            )
        return cls(url.hostname, port or DEFAULT_PORTS[url.scheme], tls)


def _bad_url(problem: str) -> ConfigError:
    return ConfigError(f"mqtt.url: {problem}")
