import pytest

from guard.core.errors import MediaError
from guard.media.assembler import Codec
from guard.media.encode import AudioEncoder, VideoEncoder, usual_bitrate
from guard.media.keyframes import nal_units
from tests.support.media import drawn_frames

pytestmark = pytest.mark.media


@pytest.mark.parametrize("preset", ["veryfast", "ultrafast"])
def test_x264_takes_the_presets_of_calls(preset: str):
    encoder = VideoEncoder("h264", 160, 120, 30.0, 300_000, preset=preset)
    assert [unit.keyframe for frame in drawn_frames(2) for unit in encoder.encode(frame)] == [True, False]


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_every_frame_becomes_one_unit_and_keyframes_come_when_asked(codec: str):
    encoder = VideoEncoder(codec, 160, 120, 30.0, 300_000)
    units = []
    for number, frame in enumerate(drawn_frames(12)):
        if number == 7:
            encoder.force_keyframe()
        (unit,) = encoder.encode(frame)
        units.append(unit)
    assert [number for number, unit in enumerate(units) if unit.keyframe] == [0, 7]
    assert [unit.pts for unit in units] == pytest.approx([number / 30 for number in range(12)], abs=1e-4)
    assert {unit.codec for unit in units} == {Codec(codec)}


def test_sizes_stand_in_the_keyframes():
    vp8 = VideoEncoder("vp8", 150, 90, 30.0, 300_000).encode(next(drawn_frames(1, 150, 90)))[0]
    h264 = VideoEncoder("h264", 160, 96, 30.0, 300_000).encode(next(drawn_frames(1, 160, 96)))[0]
    assert (vp8.size, h264.size) == ((150, 90), (160, 96))


def test_h264_is_constrained_baseline_with_headers_at_every_keyframe():
    encoder = VideoEncoder("h264", 160, 120, 30.0, 300_000)
    for frame in drawn_frames(3):
        encoder.force_keyframe()
        nals = list(nal_units(encoder.encode(frame)[0].payload))
        assert {7, 8, 5} <= {nal[0] & 0x1F for nal in nals}
        sps = next(nal for nal in nals if nal[0] & 0x1F == 7)
        assert sps[1] == 0x42
        assert sps[2] & 0x40


def test_time_that_stands_still_is_moved_on():
    encoder = VideoEncoder("vp8", 160, 120, 30.0, 300_000)
    frame = next(drawn_frames(1))
    pts = [encoder.encode(frame)[0].pts for _ in range(3)]
    assert pts == sorted(set(pts))


def test_frames_of_another_size_are_refused():
    with pytest.raises(MediaError, match="expected frames of 160 x 120, got 150 x 90; scale them"):
        VideoEncoder("vp8", 160, 120, 30.0, 300_000).encode(next(drawn_frames(1, 150, 90)))


def test_odd_sides_are_refused_for_h264():
    with pytest.raises(MediaError, match=r"expected even sides.*got 151 x 90"):
        VideoEncoder("h264", 151, 90, 30.0, 300_000)


def test_opus_packets_are_20_ms_apart():
    units = AudioEncoder().encode([0.0] * 4800, at=0.0)
    assert [unit.pts for unit in units] == pytest.approx([number * 0.02 for number in range(5)])
    assert all(unit.keyframe and unit.codec is Codec.OPUS for unit in units)


def test_the_bitrate_grows_with_the_picture_within_bounds():
    rates = [usual_bitrate(size, 30.0) for size in ((16, 16), (640, 360), (1280, 720))]
    assert rates == [150_000, 552_960, 2_211_840]
    assert usual_bitrate((1280, 720), 120.0) == 2_500_000
