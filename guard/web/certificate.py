"""Certificates for HTTPS: one that is configured, and one made for trying it out on the local network."""

import os
import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from guard.core.errors import ConfigError

LIFETIME = timedelta(days=30)
SKEW = timedelta(days=1)
"""Clocks of phones and laptops may be behind ours by this."""

CERT_FILE, KEY_FILE = "cert.pem", "key.pem"
LOCAL = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate on disk."""

    cert: Path
    key: Path
    """PEM, without a passphrase, readable by its owner only."""
    fingerprint: str
    """SHA-256 of the certificate as browsers show it: ``AB:CD:…``."""


def open_certificate(cert: Path, key: Path) -> ssl.SSLContext:
    """The context of a server that speaks TLS 1.2 or newer with this certificate; reads files.

    Raise ConfigError, which names the file that cannot be read, or says that the two do not belong together.
    """
    for name, path in (("tls_cert", cert), ("tls_key", key)):
        _check_readable(name, path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # without a password at hand OpenSSL would ask for one on the terminal
        context.load_cert_chain(cert, key, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        msg = (
            f"web.tls_cert and web.tls_key: expected a PEM certificate and its own key without a passphrase, "
            f"got: {cert} and {key}: {error}; look at them with `openssl x509 -noout -text -in` "
            f"and `openssl pkey -noout -text -in`"
        )
        raise ConfigError(msg) from None
    return context


def make_certificate(folder: Path, addresses: Iterable[str], now: datetime) -> Certificate:
    """Make a self-signed ECDSA P-256 certificate in ``folder`` for 30 days.

    It holds for these IP addresses, this machine's name, localhost and the loopback addresses. Writes files.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    signed = _described(key, addresses, now).sign(key, hashes.SHA256())
    cert_path, key_path = folder / CERT_FILE, folder / KEY_FILE
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_for_owner(key_path, pem)
    cert_path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return Certificate(cert_path, key_path, signed.fingerprint(hashes.SHA256()).hex(":").upper())


def _check_readable(name: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        msg = (
            f"web.{name}: expected a PEM file that this user can read, got: {path}: {error.strerror}; "
            f"name another, or let this user read it"
        )
        raise ConfigError(msg) from None


def _described(
    key: ec.EllipticCurvePrivateKey, addresses: Iterable[str], now: datetime
) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "call-guard")])
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(list(_names(addresses))), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _names(addresses: Iterable[str]) -> Iterator[x509.GeneralName]:
    """In order, each once."""
    for address in dict.fromkeys((*addresses, *LOCAL)):
        yield x509.IPAddress(ip_address(address))
    for name in dict.fromkeys((socket.gethostname(), "localhost")):
        if name.isascii() and name:
            yield x509.DNSName(name)


def _write_for_owner(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
