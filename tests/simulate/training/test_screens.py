import numpy as np
import pytest

from guard.simulate.training.screens import banded, buttons, coded, glowing, mirrored, raster, sampled
from guard.simulate.training.surfaces import Rect, laid
from tests.support.faces import drawn_face

pytestmark = pytest.mark.unit

FACE = drawn_face((160, 160), (80, 80), 90, (200, 160, 140))
FLAT = laid(np.eye(3), (80, 80), 90, (160, 160))
GREY = np.full((160, 160, 3), 128, np.uint8)


def strongest(signal: np.ndarray) -> float:
    """The frequency with the most power, cycles a sample, the mean left out."""
    power = np.abs(np.fft.rfft(signal - signal.mean()))
    return float(np.argmax(power)) / len(signal)


def test_the_raster_has_its_pitch_before_the_camera_samples_it() -> None:
    finely = np.arange(0, 40, 0.05).astype(np.float32)
    u, v = np.meshgrid(finely, finely[:4])
    light = raster(u, v, 0.8, 0.0)
    assert strongest(light[0, :, 1]) / 0.05 == pytest.approx(1 / 0.8, rel=0.05)
    assert np.abs(light.mean(axis=1)).max() < 0.05
    assert not np.allclose(light[0, :, 0], light[0, :, 2])


def test_sampled_too_coarsely_the_raster_beats_with_the_pixels() -> None:
    u, v = np.meshgrid(np.arange(200, dtype=np.float32), np.zeros(2, np.float32))
    assert strongest(raster(u, v, 0.95, 0.0)[0, :, 1]) == pytest.approx(1 / 0.95 - 1, abs=0.006)


def test_a_sampled_display_keeps_its_mean_light() -> None:
    for seed in range(6):
        seen = sampled(GREY, FLAT, np.random.default_rng(seed))
        assert seen.mean() == pytest.approx(128, abs=6)


def test_what_was_coded_before_has_lost_detail() -> None:
    noisy = np.random.default_rng(1).integers(0, 256, FACE.shape).astype(np.uint8)
    first, second = (coded(noisy, np.random.default_rng(2)) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.shape == noisy.shape
    assert first.std() < 0.9 * noisy.std()


def test_black_glows_and_whites_differ() -> None:
    black, white = np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)
    seeds = range(20)
    assert max(glowing(black, np.random.default_rng(seed)).mean() for seed in seeds) > 10
    casts = [glowing(white, np.random.default_rng(seed)).mean((0, 1)) for seed in seeds]
    assert len({tuple(cast) for cast in casts}) > 10


def test_bars_run_along_the_rows() -> None:
    values = np.full((120, 90, 3), 100, np.float32)
    for seed in range(6):
        seen = banded(values, np.random.default_rng(seed))
        assert np.ptp(seen, axis=1).max() == 0
        assert np.ptp(seen[:, 0, 0]) > 1


def test_glass_mirrors_what_is_bright() -> None:
    dark = np.full((40, 40, 3), 20, np.float32)
    room = np.zeros((40, 40, 3), np.uint8)
    room[:, 20:] = 250
    seen = mirrored(dark, room, np.random.default_rng(1))
    assert seen[:, 20:].mean() > seen[:, :20].mean() + 5


def test_buttons_leave_the_picture_handed_in_alone() -> None:
    before = FACE.copy()
    drawn = [buttons(FACE, Rect(20, 10, 140, 150), np.random.default_rng(seed)) for seed in range(6)]
    assert np.array_equal(FACE, before)
    assert all(each.shape == FACE.shape for each in drawn)
    assert any(not np.array_equal(each, FACE) for each in drawn)
