"""System libraries, packages against what our own metadata asks for, and what is built into them."""

import ssl
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from guard.__main__ import LIBRARIES, mending_command, missing_libraries
from guard.cli.doctor.check import Check, Checks, Level, good, trial
from guard.cli.doctor.machine import DISTRIBUTION

AREA = "software"

NATIVE = ("aiortc", "av", "cryptography", "mediapipe", "onnxruntime", "opencv-contrib-python", "uvloop")
"""Packages with native code or private names, shown one by one; others are shown where they are wrong."""

LIBVPX_FLOOR = "1.14.1"
"""First without CVE-2024-5197 (sizes that overflow)."""


def software() -> Checks:
    """What is installed."""
    yield _system_libraries()
    yield from packages()
    yield trial(AREA, "FFmpeg in av", _ffmpeg)
    yield from _libvpx()
    yield trial(AREA, "OpenSSL", _openssl)
    yield trial(AREA, "aiortc adapter", _adapter)


def _system_libraries() -> Check:
    missing = missing_libraries()
    if not missing:
        return good(AREA, "system libraries", "all there")
    return Check(
        AREA,
        "system libraries",
        Level.FAILED,
        f"missing: {', '.join(missing)}",
        ", ".join(LIBRARIES),
        mending_command(missing),
    )


def packages(wanted: list[str] | None = None) -> Checks:
    """Each native package, each that is not as required, and how many others are."""
    requirements = [Requirement(text) for text in (wanted or requires(DISTRIBUTION) or ())]
    others = 0
    for requirement in requirements:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        check = _package(requirement)
        if check.level is not Level.OK or requirement.name in NATIVE:
            yield check
        else:
            others += 1
    yield good(AREA, "other packages", f"{others}, all as required")


def _package(requirement: Requirement) -> Check:
    try:
        found = version(requirement.name)
        fits = requirement.specifier.contains(Version(found), prereleases=True)
    except PackageNotFoundError:
        found, fits = "not installed", False
    except InvalidVersion as error:
        found, fits = str(error), False
    if fits:
        return good(AREA, requirement.name, found)
    wanted = str(requirement.specifier) or "any version"
    return Check(AREA, requirement.name, Level.FAILED, found, wanted, f"pip install '{requirement}'")


def _ffmpeg() -> str:
    from guard.cli.doctor.codecs import ffmpeg_version, missing_codecs  # noqa: PLC0415 -- may be broken

    missing = missing_codecs()
    if missing:
        msg = f"{ffmpeg_version()} without {', '.join(missing)}; install PyAV's own wheel: pip install av"
        raise RuntimeError(msg)
    return f"{ffmpeg_version()} with the codecs that calls need"


def _libvpx() -> Checks:
    from guard.cli.doctor.codecs import libvpx_version  # noqa: PLC0415 -- may be broken

    found = libvpx_version()
    if found is None:
        yield good(AREA, "libvpx in av", "version not known here")
    elif Version(found) >= Version(LIBVPX_FLOOR):
        yield good(AREA, "libvpx in av", found)
    else:
        mend = "install PyAV's newest wheel: pip install --upgrade av"
        yield Check(AREA, "libvpx in av", Level.FAILED, found, f"{LIBVPX_FLOOR} (CVE-2024-5197)", mend)


def _openssl() -> str:
    from cryptography.hazmat.backends.openssl import backend  # noqa: PLC0415 -- may be broken

    return f"{backend.openssl_version_text()} for media, {ssl.OPENSSL_VERSION} for HTTP and MQTT"


def _adapter() -> str:
    from guard.media.transport import check_adapter  # noqa: PLC0415 -- heavy, may be broken

    check_adapter()
    return "every private name that is used is there"
