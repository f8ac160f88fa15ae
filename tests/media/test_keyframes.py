from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.errors import MediaError
from guard.media.assembler import Codec, read_headers
from guard.media.keyframes import (
    HIGH_PROFILES,
    MAX_NAL_UNITS,
    MAX_PARAMETER_SET_BYTES,
    MAX_PARAMETER_SET_CODES,
    BitReader,
    KeyframeRequests,
    read_h264_headers,
    read_vp8_headers,
    sps_size,
    vp8_picture_size,
)

pytestmark = pytest.mark.unit


def vp8_keyframe(width: int, height: int) -> bytes:
    return b"\x10\x00\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")


def golomb(value: int) -> str:
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def signed_golomb(value: int) -> str:
    return golomb(2 * value - 1 if value > 0 else -2 * value)


def sps(width: int, height: int, *, profile: int = 66, chroma: str = "") -> bytes:
    """A sequence parameter set of whole macroblocks, built bit by bit."""
    bits = f"{profile:08b}{0xC0 if profile == 66 else 0:08b}{31:08b}" + golomb(0) + chroma
    bits += golomb(0) + golomb(2) + golomb(1) + "0"
    bits += golomb(width // 16 - 1) + golomb(height // 16 - 1) + "1" + "1" + "0" + "0" + "1"
    bits += "0" * (-len(bits) % 8)
    return escaped(int(bits, 2).to_bytes(len(bits) // 8, "big"))


def escaped(payload: bytes) -> bytes:
    """With emulation prevention (H.264 7.4.1)."""
    out = bytearray()
    for byte in payload:
        if byte <= 3 and out[-2:] == b"\0\0":
            out.append(3)
        out.append(byte)
    return bytes(out)


def matrices(*lists: Sequence[int] | None, chroma_format: int = 1) -> str:
    """What a High profile says before the rest: 8 bit, scaling lists by their scales (None: not sent)."""
    bits = golomb(chroma_format) + ("0" if chroma_format == 3 else "") + golomb(0) + golomb(0) + "0" + "1"
    for scales in lists:
        bits += "0" if scales is None else "1" + deltas(scales)
    return bits


def deltas(scales: Sequence[int]) -> str:
    bits, last = "", 8
    for scale in scales:
        bits += signed_golomb((scale - last + 128) % 256 - 128)
        if scale == 0:
            break
        last = scale
    return bits


@given(st.integers(1, 16383), st.integers(1, 16383))
def test_the_size_of_a_vp8_keyframe_is_read(width: int, height: int):
    assert vp8_picture_size(vp8_keyframe(width, height)) == (width, height)


@pytest.mark.parametrize("frame", [b"", b"\x11" + vp8_keyframe(8, 8)[1:], vp8_keyframe(8, 8)[:9], bytes(12)])
def test_what_is_no_vp8_keyframe_header_has_no_size(frame: bytes):
    assert vp8_picture_size(frame) is None


@pytest.mark.parametrize("size", [(16, 16), (1280, 720), (1920, 1088), (16000, 8000)])
def test_the_size_in_a_sequence_parameter_set_is_read(size: tuple[int, int]):
    assert sps_size(sps(*size)) == size
    assert read_h264_headers(b"\0\0\0\1\x67" + sps(*size) + b"\0\0\1\x65\x88") == (True, size)


@given(
    st.sampled_from(sorted(HIGH_PROFILES)),
    st.sampled_from([0, 1, 2, 3]),
    st.lists(st.booleans(), min_size=12, max_size=12),
    st.lists(st.integers(-10, 10), min_size=64, max_size=64),
    st.integers(0, 200),
)
def test_the_size_behind_scaling_matrices_is_read(
    profile: int, chroma_format: int, sent: list[bool], steps: list[int], ends_at: int
):
    lists: list[list[int] | None] = []
    for number, one in enumerate(sent[: 12 if chroma_format == 3 else 8]):
        scales = [(128 + 7 * number + step) % 256 for step in steps][: 16 if number < 6 else 64]
        if ends_at < len(scales):
            scales[ends_at] = 0  # the list ends early
        lists.append(scales if one else None)
    chroma = matrices(*lists, chroma_format=chroma_format)
    assert sps_size(sps(1280, 720, profile=profile, chroma=chroma)) == (1280, 720)


def test_the_size_behind_all_scaling_lists_at_their_longest_is_read():
    lists = [[1 + 120 * (place % 2) for place in range(16 if number < 6 else 64)] for number in range(12)]
    widest = sps(640, 368, profile=244, chroma=matrices(*lists, chroma_format=3))
    assert 700 < len(widest) < MAX_PARAMETER_SET_BYTES
    assert sps_size(widest) == (640, 368)


def test_the_largest_of_the_parameter_sets_counts():
    sets = [b"\0\0\1\x67" + sps(*size) for size in ((320, 240), (1280, 720), (640, 480))]
    assert read_h264_headers(b"".join(sets)) == (False, (1280, 720))


def test_a_torn_parameter_set_has_no_size():
    whole = sps(1280, 720)
    assert all(sps_size(whole[:length]) is None for length in range(len(whole) - 2))


@given(st.binary(max_size=200))
def test_any_bytes_are_measured_without_an_error(payload: bytes):
    for size in (read_h264_headers(payload).size, read_vp8_headers(payload).size, sps_size(payload)):
        assert size is None or (size[0] >= 0 and size[1] >= 0)


@pytest.mark.parametrize(
    ("codec", "payload", "expected"),
    [
        (Codec.VP8, b"\x10", True),
        (Codec.VP8, b"\x11", False),
        (Codec.VP8, b"", False),
        (Codec.H264, b"\0\0\0\1\x67aa\0\0\1\x65b", True),
        (Codec.H264, b"\0\0\0\1\x41b", False),
        (Codec.H264, b"\0\0\1", False),
        (Codec.OPUS, b"x", True),
    ],
)
def test_keyframes_are_told_apart(codec: Codec, payload: bytes, expected: bool):  # noqa: FBT001 -- the table's column
    assert read_headers(codec, payload).keyframe is expected


@pytest.mark.parametrize(
    "payload",
    [b"\0\0\1" * (MAX_NAL_UNITS + 1), (b"\0\0\1\x67" + sps(320, 240)) * 5],
    ids=["start codes", "parameter sets"],
)
def test_a_unit_that_costs_more_than_a_picture_is_refused(payload: bytes):
    with pytest.raises(MediaError, match=r"expected at most .*, got more; send"):
        read_h264_headers(payload)


def test_as_many_slices_as_a_picture_needs_are_read():
    slices = b"\0\0\1\x41" * (MAX_NAL_UNITS - 1)
    assert read_h264_headers(slices + b"\0\0\1\x65") == (True, None)


class CountingReader(BitReader):
    """Counts the codes read of all parameter sets."""

    read = 0

    def golomb(self) -> int:
        CountingReader.read += 1
        return super().golomb()


def test_a_long_parameter_set_is_read_at_its_beginning_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("guard.media.keyframes.BitReader", CountingReader)
    # Order count kind 1 with offsets without end.
    endless = bytes([66, 0, 0, 0b11010111, 0b00000000, 0b00100000]) + b"\xff" * 5000
    assert sps_size(endless) is None
    assert 0 < CountingReader.read <= MAX_PARAMETER_SET_CODES + 1


def test_nobody_wants_a_keyframe_nobody_is_asked():
    assert not KeyframeRequests(0.5).due(0.0)


def test_wishes_within_the_interval_become_one_request():
    requests = KeyframeRequests(0.5)
    times = [step / 100 for step in range(200)]
    asked = []
    for now in times:
        requests.want()
        asked += [now] if requests.due(now) else []
    assert asked == pytest.approx([0.0, 0.5, 1.0, 1.5])
    assert requests.sent == 4


def test_on_average_a_keyframe_is_asked_for_once_a_second():
    requests = KeyframeRequests(0.3)
    asked = 0
    for now in (step / 100 for step in range(2000)):
        requests.want()
        asked += requests.due(now)
    assert asked == 20 + 3  # three more at first


def test_none_is_asked_for_while_one_comes():
    requests = KeyframeRequests(0.5)
    requests.want()
    requests.begun(10.0)
    assert not requests.due(10.4)
    assert requests.due(10.5)
    requests.begun(11.0)
    requests.arrived()
    requests.want()
    assert requests.due(11.1)


def test_a_request_that_was_lost_is_repeated_until_a_keyframe_comes():
    requests = KeyframeRequests(0.5)
    requests.want()
    assert [requests.due(now) for now in (0.0, 0.4, 0.5)] == [True, False, True]
    requests.arrived()
    assert not requests.due(5.0)
