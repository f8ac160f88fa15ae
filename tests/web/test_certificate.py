"""Certificates: the one made for trying it out, and what is said of one that cannot be used."""

import hashlib
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from guard.core.errors import ConfigError
from guard.web.certificate import Certificate, make_certificate, open_certificate

pytestmark = pytest.mark.unit

NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 -- OpenSSL checks it against the machine's date


@pytest.fixture
def made(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path, ["192.0.2.7", "2001:db8::7"], NOW)


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """The TLS version on which both agree."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(down, up, server_hostname=name),
        server.wrap_bio(up, down, server_side=True),
    )
    waiting = list(ends)
    for end in ends * 4:
        if end in waiting:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    assert not waiting
    return ends[0].version()


@pytest.mark.parametrize("name", ["192.0.2.7", "2001:db8::7", "127.0.0.1", "::1", "localhost"])
def test_it_holds_for_the_addresses_and_this_machine(made: Certificate, name: str):
    client = ssl.create_default_context(cafile=made.cert)
    assert shake_hands(open_certificate(made.cert, made.key), client, name) == "TLSv1.3"


def test_it_holds_for_nobody_else(made: Certificate):
    client = ssl.create_default_context(cafile=made.cert)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"198\.51\.100\.1"):
        shake_hands(open_certificate(made.cert, made.key), client, "198.51.100.1")


def test_an_older_tls_is_refused(made: Certificate):
    client = ssl.create_default_context(cafile=made.cert)
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        client.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        client.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"):
        shake_hands(open_certificate(made.cert, made.key), client, "localhost")


def test_the_fingerprint_is_the_one_that_browsers_show(made: Certificate):
    der = ssl.PEM_cert_to_DER_cert(made.cert.read_text())
    assert made.fingerprint.replace(":", "").lower() == hashlib.sha256(der).hexdigest()
    assert len(made.fingerprint.split(":")) == 32


def test_it_lasts_a_month_and_forgives_a_clock_that_is_behind(made: Certificate):
    read = x509.load_pem_x509_certificate(made.cert.read_bytes())
    assert read.not_valid_before_utc == NOW - timedelta(days=1)
    assert read.not_valid_after_utc == NOW + timedelta(days=30)


def test_only_its_owner_reads_the_key_even_where_another_lay(tmp_path: Path):
    (tmp_path / "key.pem").touch(0o644)
    made = make_certificate(tmp_path, [], NOW)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["cert", "key"])
def test_a_file_that_is_not_there_is_named(made: Certificate, name: str):
    path = getattr(made, name)
    path.unlink()
    with pytest.raises(ConfigError, match=rf"web\.tls_{name}: .*{path}: No such file"):
        open_certificate(made.cert, made.key)


@pytest.mark.parametrize("name", ["cert", "key"])
@pytest.mark.parametrize("content", [b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nMIIB\n"])
def test_a_file_that_holds_something_else(made: Certificate, name: str, content: bytes):
    path = getattr(made, name)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"expected a PEM certificate.*{path}"):
        open_certificate(made.cert, made.key)


def test_the_key_of_another_certificate(made: Certificate, tmp_path: Path):
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other", [], NOW)
    with pytest.raises(ConfigError, match="its own key"):
        open_certificate(made.cert, other.key)


def test_a_key_with_a_passphrase_is_refused_and_not_asked_for(made: Certificate):
    key = serialization.load_pem_private_key(made.key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    made.key.write_bytes(locked)
    with pytest.raises(ConfigError, match="without a passphrase"):
        open_certificate(made.cert, made.key)
