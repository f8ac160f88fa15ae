"""What ``guard doctor`` says of the configuration and the files that it names."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from guard.cli.doctor.check import Level
from guard.cli.doctor.settings import files, readable
from guard.config import AlertSettings, Settings, WebSettings
from tests.support.checks import levels, named

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_a_sound_configuration_is_named(tmp_path: Path):
    path = tmp_path / "guard.toml"
    path.write_text("[web]\nport = 9000\n")
    settings, found = readable(path)
    assert settings.web.port == 9000
    assert [one.found for one in found] == [f"{path}: sound"]


def test_a_configuration_that_cannot_be_read_leaves_the_defaults(tmp_path: Path):
    path = tmp_path / "guard.toml"
    path.write_text("[web]\nprot = 9000\nport = 'x'\n")
    settings, found = readable(path)
    assert settings == Settings()
    assert found[0].level is Level.FAILED
    assert "did you mean 'port'?" in found[0].found


def test_what_serve_would_refuse_fails(tmp_path: Path):
    path = tmp_path / "guard.toml"
    path.write_text("[mqtt]\nurl = 'mqtt://broker.example'\n")
    settings, found = readable(path)
    assert settings.mqtt.url == "mqtt://broker.example"
    assert levels(found) == {Level.FAILED}
    assert "allow_plain" in found[0].found


def write_certificate(folder: Path, until: datetime) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "guard.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(until - timedelta(days=90))
        .not_valid_after(until)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_path, key_path


@pytest.mark.parametrize(("days", "level"), [(60, Level.OK), (3, Level.WARNING), (-1, Level.FAILED)])
def test_a_certificate_is_told_by_its_days(tmp_path: Path, days: int, level: Level):
    cert, key = write_certificate(tmp_path, NOW + timedelta(days=days))
    settings = Settings(web=WebSettings(tls_cert=cert, tls_key=key))
    check = named(files(settings, NOW), "TLS certificate")
    assert check.level is level
    assert "valid until" in check.found


def lose_key(_cert: Path, key: Path) -> None:
    key.unlink()


def break_key(cert: Path, key: Path) -> None:
    _, other = write_certificate(cert.parent.parent, NOW)
    other.replace(key)


def lock_key(_cert: Path, key: Path) -> None:
    opened = serialization.load_pem_private_key(key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"word")
    pem = opened.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    key.write_bytes(pem)


def break_certificate(cert: Path, _key: Path) -> None:
    cert.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


@pytest.mark.parametrize("break_it", [lose_key, break_key, lock_key, break_certificate])
def test_a_certificate_that_cannot_be_used_fails(tmp_path: Path, break_it: Callable[[Path, Path], None]):
    folder = tmp_path / "tls"
    folder.mkdir()
    cert, key = write_certificate(folder, NOW + timedelta(days=60))
    break_it(cert, key)
    settings = Settings(web=WebSettings(tls_cert=cert, tls_key=key))
    assert named(files(settings, NOW), "TLS certificate").level is Level.FAILED


def test_an_outbox_without_a_folder_fails(tmp_path: Path):
    settings = Settings(alerts=AlertSettings(outbox_path=tmp_path / "nowhere" / "outbox"))
    assert named(files(settings, NOW), "alerts.outbox_path").level is Level.FAILED
