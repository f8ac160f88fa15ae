"""Hosts and addresses of others: each has a placeholder, the same one wherever it occurs."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from guard.config import Settings
from guard.core.addresses import is_loopback
from guard.media.turn import IceServer

OURS = frozenset(
    {"broker", "guard", "call-guard", "host", "localhost", "mosquitto", "node", "python", "server"}
) | frozenset(Settings.model_fields)
"""Words of our own: a machine of this name cannot be told from them, and says little."""

NAME_IN_ADDRESS = re.compile(r"(://(?:[^/@\s]*@)?|\b(?:stun|turn)s?:)([^\[\]/:?#\s'\",;()]+)")
"""A host's name in an address: what stands before it, and the name."""

IP_ADDRESS = re.compile(
    r"(?<![\w.:])[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?!\w)"
    r"|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"
)
"""What may be an IPv6 or an IPv4 address."""


def whole_word(name: str) -> re.Pattern[str]:
    """Matches the name where it is no part of another."""
    return re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)


class Places:
    """Hides these names, names in addresses, and IP addresses; loopback stays, and so do scheme and port."""

    def __init__(self, names: Iterable[str]) -> None:
        known = {name.lower() for name in names if _tells(name)}
        self._words = [
            (name, whole_word(name)) for name in sorted(known, key=lambda name: (-len(name), name))
        ]
        self._placeholders: dict[str, str] = {}

    @classmethod
    def named_in(cls, settings: Settings) -> "Places":
        """Those of a configuration."""
        return cls(_names(settings))

    def text(self, text: str) -> str:
        """The text with placeholders."""
        text = NAME_IN_ADDRESS.sub(lambda found: found[1] + self._name(found[2]), text)
        for name, pattern in self._words:
            text = pattern.sub(self._placeholder("HOST", name), text)
        return IP_ADDRESS.sub(lambda found: self._address(found[0]), text)

    def _name(self, name: str) -> str:
        hidden = not is_loopback(name) and _ip(name) is None and "*" not in name
        return self._placeholder("HOST", name.lower()) if hidden else name

    def _address(self, text: str) -> str:
        word = text if _ip(text) else text.rstrip(".:")  # it may end a sentence
        address = _ip(word)
        if address is None or is_loopback(word) or ip_address(address).is_unspecified:
            return text
        return self._placeholder("ADDRESS", address) + text[len(word) :]

    def _placeholder(self, kind: str, place: str) -> str:
        return self._placeholders.setdefault(place, f"{kind}-{len(self._placeholders) + 1}")


def _names(settings: Settings) -> Iterator[str]:
    with suppress(ValueError):  # an address that is none
        yield urlsplit(settings.mqtt.url).hostname or ""
    yield from (IceServer(url).host for url in settings.ice.servers)
    yield settings.web.host
    for path in (settings.web.tls_cert, settings.web.tls_key):
        yield from _domains(path) if path else ()


def _domains(path: Path) -> Iterator[str]:
    """Parts of a path that may be a domain, as in ``live/calls.example/fullchain.pem``."""
    return (part for part in (*path.parts[:-1], path.stem) if "." in part.strip("."))


def _tells(name: str) -> bool:
    return bool(name) and name.lower() not in OURS and _ip(name) is None


def _ip(text: str) -> str | None:
    with suppress(ValueError):
        return str(ip_address(text))
    return None
