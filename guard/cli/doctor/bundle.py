"""A support file: the findings and what they rest on, without secrets, names or places of people's files."""

import json
import os
import platform
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import TypeAlias

from pydantic import SecretStr

import guard
from guard.cli.doctor.check import Check
from guard.config import Settings
from guard.config.load import redacted

Tree: TypeAlias = "Mapping[str, Tree] | Sequence[Tree] | str | float | bool | None"
"""What JSON can hold."""

HIDDEN = "**********"
PERSONAL = (("pages", "operator"), ("pages", "contact"), ("mqtt", "username"), ("ice", "username"))
"""Settings that name people or organisations."""

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
        self._host = re.compile(rf"\b{re.escape(host)}\b") if host else None

    @classmethod
    def here(cls, settings: Settings, environment: Mapping[str, str]) -> "Scrubber":
        """For this machine, user and configuration."""
        secrets = [*_secrets_of(settings), *_secrets_in(environment)]
        host = platform.node()
        return cls(secrets, str(Path.home()), "" if host == "localhost" else host)

    def text(self, text: str) -> str:
        """The text without what is to be hidden."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = IN_ADDRESS.sub(f"{HIDDEN}@", text)
        if self._home:
            text = text.replace(self._home, "~")
        text = HOME.sub("~", text)
        return self._host.sub("HOST", text) if self._host else text

    def tree(self, tree: Tree) -> Tree:
        """The same for every text in a tree; keys are ours and stay."""
        if isinstance(tree, str):
            return self.text(tree)
        if isinstance(tree, Mapping):
            return {key: self.tree(value) for key, value in tree.items()}
        if isinstance(tree, Sequence):
            return [self.tree(value) for value in tree]
        return tree


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
    """Write the support file, readable by this user only; raise OSError where that is not possible."""
    contents: dict[str, Tree] = {
        "doctor.json": report(checks),
        "settings.json": _settings(settings),
        "packages.json": _packages(),
        "machine.json": _machine(),
    }
    with (
        os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle,
    ):
        for name, tree in contents.items():
            bundle.writestr(name, json.dumps(scrubber.tree(tree), indent=2) + "\n")


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
