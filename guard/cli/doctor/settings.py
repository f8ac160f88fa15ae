"""The configuration, the files that it names, and what `guard serve` would refuse."""

import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from guard.cli.config import checked
from guard.cli.doctor.check import Check, Checks, Level, good, trial
from guard.config import Settings
from guard.config.load import load
from guard.core.errors import GuardError
from guard.web.certificate import open_certificate

AREA = "configuration"
RENEW_WITHIN = timedelta(days=14)
LEAST_FREE = 1024**3
"""Bytes on the outbox's disk."""


def readable(path: Path | None) -> tuple[Settings, list[Check]]:
    """The settings, and what is wrong with them; the defaults where they cannot be read at all."""
    try:
        settings = load(path)
    except GuardError as error:
        faults = [Check(AREA, "settings", Level.FAILED, line) for line in str(error).splitlines()]
        return Settings(), [*faults, good(AREA, "rest of this report", "made with the default settings")]

    def sound() -> str:
        checked(path)
        return f"{path or 'defaults and environment'}: sound"

    return settings, [trial(AREA, "settings", sound)]


def files(settings: Settings, now: datetime) -> Checks:
    """The key of the tokens, the certificate, the outbox's folder."""
    yield _token_key(settings)
    if settings.web.tls_cert is not None and settings.web.tls_key is not None:
        yield _certificate(settings.web.tls_cert, settings.web.tls_key, now)
    yield _outbox(settings.alerts.outbox_path)


def _token_key(settings: Settings) -> Check:
    if settings.web.token_key is not None:
        return good(AREA, "web.token_key", "set")
    mend = "set GUARD__WEB__TOKEN_KEY_FILE; `guard serve` starts with --dev only"
    return Check(AREA, "web.token_key", Level.WARNING, "not set", "a key of 32 bytes or more", mend)


def _certificate(cert: Path, key: Path, now: datetime) -> Check:
    name, mend = "TLS certificate", "correct web.tls_cert and web.tls_key, or let this user read them"
    try:
        open_certificate(cert, key)
        until = x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:  # ConfigError is one
        return Check(AREA, name, Level.FAILED, str(error), "a chain and its key", mend)
    found = f"{cert}: valid until {until:%Y-%m-%d %H:%M} UTC"
    if now > until:
        return Check(AREA, name, Level.FAILED, found, "one that has not expired", "renew it")
    if now > until - RENEW_WITHIN:
        return Check(AREA, name, Level.WARNING, found, f"{RENEW_WITHIN.days} days left", "renew it")
    return good(AREA, name, found)


def _outbox(path: Path) -> Check:
    folder, name = path.absolute().parent, "alerts.outbox_path"
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        mend = "make the folder and let this user write there"
        return Check(AREA, name, Level.FAILED, f"cannot write to {folder}", "a folder to write to", mend)
    free = shutil.disk_usage(folder).free
    found = f"{path}, {free / 1024**3:.1f} GiB free"
    if free >= LEAST_FREE:
        return good(AREA, name, found)
    mend = "free some: without room alerts are held in memory only"
    return Check(AREA, name, Level.WARNING, found, f"{LEAST_FREE / 1024**3:.0f} GiB free", mend)
