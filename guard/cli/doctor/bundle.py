"""A support file: the findings and what they rest on, without secrets, names, hosts or people's folders."""

import errno
import json
import os
import platform
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import distributions
from pathlib import Path
from typing import BinaryIO, TypeAlias

from pydantic import SecretStr

import guard
from guard.cli.doctor.check import Check
from guard.cli.doctor.network import AREA as NETWORK
from guard.cli.doctor.places import OURS, Places, whole_word
from guard.cli.doctor.settings import AREA as CONFIGURATION
from guard.config import Settings
from guard.config.load import redacted

Tree: TypeAlias = "Mapping[str, Tree] | Sequence[Tree] | str | float | bool | None"
"""What JSON can hold."""

HIDDEN = "**********"
PERSONAL = (
    *(("pages", key) for key in ("operator", "contact", "purpose", "analysed", "kept")),
    ("mqtt", "username"),
    ("ice", "username"),
)
"""Settings that name people or organisations, or may."""

PLACED = (CONFIGURATION, NETWORK)
"""Areas whose findings name hosts and addresses; in others what looks like an address is a version."""

SECRET_NAME = re.compile(r"key|secret|pass|token|credential|auth", re.IGNORECASE)
"""Environment variables whose value goes nowhere, whoever set them."""

SHORTEST_SECRET = 4
"""Shorter values are not hidden wherever they occur: too much would be."""

IN_ADDRESS = re.compile(r"(?<=//).*@")
"""Name and password before the host of an address; rather too much than too little."""

HOME = re.compile(r"/(?:home|Users)/[^/\s'\":;,)]+|/root\b")


class Scrubber:
    """Hides, in whatever text: secrets, what stands before the @ of an address, homes, the machine's name."""

    def __init__(self, secrets: Iterable[str], home: str, host: str) -> None:
        words = {word for secret in secrets for word in _written(secret)}
        self._secrets = sorted(
            (word for word in words if len(word) >= SHORTEST_SECRET), key=len, reverse=True
        )
        self._home = home.rstrip("/")
        hosts = {host, host.partition(".")[0]} - {""}
        self._hosts = [whole_word(one) for one in sorted(hosts, key=len, reverse=True) if not _is_ours(one)]

    @classmethod
    def here(cls, settings: Settings, environment: Mapping[str, str]) -> "Scrubber":
        """For this machine, user and configuration."""
        secrets = [*_secrets_of(settings), *_secrets_in(environment)]
        return cls(secrets, str(Path.home()), platform.node())

    def text(self, text: str) -> str:
        """The text without what is to be hidden."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = IN_ADDRESS.sub(f"{HIDDEN}@", text)
        if self._home:
            text = text.replace(self._home, "~")
        text = HOME.sub("~", text)
        for host in self._hosts:
            text = host.sub("HOST", text)
        return text


def changed(tree: Tree, change: Callable[[str], str]) -> Tree:
    """The tree with every text changed; keys are ours and stay."""
    if isinstance(tree, str):
        return change(tree)
    if isinstance(tree, Mapping):
        return {key: changed(value, change) for key, value in tree.items()}
    if isinstance(tree, Sequence):
        return [changed(value, change) for value in tree]
    return tree


def _is_ours(host: str) -> bool:
    """Whether a machine's name is also a word of ours, or of a package, and so can be hidden nowhere."""
    packages = {one.name.lower() for one in distributions()}
    return host.lower() in OURS | packages


def _written(secret: str) -> tuple[str, ...]:
    """The ways in which a message may show it."""
    return secret, secret.strip(), repr(secret)[1:-1], ascii(secret)[1:-1], json.dumps(secret)[1:-1]


def _secrets_of(settings: Settings) -> Iterable[str]:
    for section in (getattr(settings, name) for name in Settings.model_fields):
        for name in type(section).model_fields:
            value = getattr(section, name)
            if isinstance(value, SecretStr):
                yield value.get_secret_value()


def _secrets_in(environment: Mapping[str, str]) -> Iterable[str]:
    return (value for name, value in environment.items() if SECRET_NAME.search(name))


def write_bundle(path: Path, checks: Iterable[Check], settings: Settings, scrubber: Scrubber) -> None:
    """Write the support file anew, readable by this user only; raise OSError where that is not possible."""
    places = Places.named_in(settings)

    def hide(text: str) -> str:
        return places.text(scrubber.text(text))

    contents: dict[str, Tree] = {
        "settings.json": changed(_settings(settings), hide),
        "doctor.json": changed(report(_placed(check, hide) for check in checks), scrubber.text),
        "packages.json": changed(_packages(), scrubber.text),
        "machine.json": changed(_machine(), scrubber.text),
    }
    with _fresh(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, tree in contents.items():
            bundle.writestr(name, json.dumps(tree, indent=2) + "\n")


def _placed(check: Check, hide: Callable[[str], str]) -> Check:
    if check.area not in PLACED:
        return check
    name, found, expected, mend = map(hide, (check.name, check.found, check.expected, check.mend))
    return replace(check, name=name, found=found, expected=expected, mend=mend)


def _fresh(path: Path) -> BinaryIO:
    """A new file in the place of an older one, whoever might read that, or wherever it led."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "something else than a file", str(path))
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")


def report(checks: Iterable[Check]) -> dict[str, Tree]:
    """The findings as plain values."""
    found = list(checks)
    good = all(one.level != "failed" for one in found)
    return {"ok": good, "version": guard.__version__, "checks": [one.fields() for one in found]}


def _settings(settings: Settings) -> Tree:
    tree = redacted(settings)
    for section, key in PERSONAL:
        if tree[section][key]:
            tree[section][key] = HIDDEN
    return tree


def _packages() -> Tree:
    return dict(
        sorted({one.name: one.version for one in distributions()}.items(), key=lambda one: one[0].lower())
    )


def _machine() -> Tree:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    return {
        "os": release.get("PRETTY_NAME", platform.system()),
        "kernel": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
        "python": sys.version,
        "cores": os.cpu_count(),
        "locale_encoding": sys.getfilesystemencoding(),
    }
