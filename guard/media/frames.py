"""Between our frames and units and PyAV's, without copying where PyAV allows it."""

from fractions import Fraction
from typing import Any, TypeAlias, cast

import av
import numpy as np
from av.video.plane import VideoPlane

from guard.core.types import Plane, VideoFrame
from guard.core.units import Seconds
from guard.media.assembler import AccessUnit

MediaPacket: TypeAlias = "av.Packet[Any]"
"""An encoded packet as aiortc's sender takes it."""

FULL_RANGE = 2
"""AVCOL_RANGE_JPEG."""


def packet_of(unit: AccessUnit) -> MediaPacket:
    """An access unit as the packet that aiortc's sender splits into RTP; its time base is the RTP clock."""
    packet: MediaPacket = av.Packet(unit.payload)
    packet.pts = round(unit.pts * unit.codec.clock_rate)
    packet.time_base = Fraction(1, unit.codec.clock_rate)
    return packet


def plane_view(plane: VideoPlane) -> Plane:
    """The pixels of a plane as a read-only view without the padding at the end of its lines."""
    padded = np.frombuffer(cast("bytes", plane), np.uint8).reshape(-1, plane.line_size)
    view = padded[: plane.height, : plane.width]
    view.flags.writeable = False
    return view


def frame_of(picture: av.VideoFrame, *, pts: Seconds, arrived_at: Seconds, decoded_at: Seconds) -> VideoFrame:
    """A decoded picture as a VideoFrame; its planes are views of the decoder's memory and keep it alive."""
    full_range = picture.format.name == "yuvj420p" or picture.color_range == FULL_RANGE
    if picture.format.name not in {"yuv420p", "yuvj420p"}:
        picture, full_range = picture.reformat(format="yuv420p", dst_color_range="MPEG"), False
    y, u, v = (plane_view(plane) for plane in picture.planes)
    return VideoFrame(
        y=y, u=u, v=v, pts=pts, arrived_at=arrived_at, decoded_at=decoded_at, full_range=full_range
    )


def picture_of(frame: VideoFrame) -> av.VideoFrame:
    """A VideoFrame as a picture that an encoder takes; planes are copied."""
    picture = av.VideoFrame(frame.width, frame.height, "yuv420p")
    for plane, pixels in zip(picture.planes, (frame.y, frame.u, frame.v), strict=True):
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = pixels
        plane.update(padded.tobytes())
    return picture
