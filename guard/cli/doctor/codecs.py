"""Which media libraries PyAV carries: FFmpeg, libvpx and the codecs that calls need."""

import ctypes
import re
from pathlib import Path
from typing import Literal

import av
from av.codec.codec import UnknownCodecError

from guard.media.encode import ENCODERS

MAPS = Path("/proc/self/maps")
"""Linux lists here the files of every library that the process has loaded."""

DECODERS = ("vp8", "h264", "opus")


def ffmpeg_version() -> str:
    """Version of the FFmpeg that PyAV was built with."""
    return av.ffmpeg_version_info


def libvpx_version() -> str | None:
    """Version of the libvpx that PyAV carries, as ``1.15.2``; None where it cannot be told."""
    try:
        path = re.search(r"/\S*libvpx\S*", MAPS.read_text())
        if path is None:
            return None
        library = ctypes.CDLL(path[0])
    except OSError:
        return None
    library.vpx_codec_version_str.restype = ctypes.c_char_p
    said = bytes(library.vpx_codec_version_str()).decode("ascii", "replace")
    return said.removeprefix("v").partition("-")[0]


def missing_codecs() -> tuple[str, ...]:
    """Codecs that calls need and this PyAV lacks."""
    decoders = (name for name in DECODERS if not _has(name, "r"))
    encoders = (name for name in (*ENCODERS.values(), "libopus") if not _has(name, "w"))
    return (*decoders, *encoders)


def _has(name: str, mode: Literal["r", "w"]) -> bool:
    try:
        av.Codec(name, mode)
    except UnknownCodecError:
        return False
    return True
