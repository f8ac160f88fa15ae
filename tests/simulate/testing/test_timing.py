"""When frames come: even, trembling, late now and then; a late frame delays no other."""

from itertools import islice

import numpy as np
import pytest

from guard.simulate.testing.timing import CAMERA, FILE, SOFTWARE, Timing

pytestmark = pytest.mark.unit

FPS = 30.0


def steps(timing: Timing, count: int = 4000, seed: int = 1) -> np.ndarray:
    return np.array(list(islice(timing.steps(FPS, np.random.default_rng(seed)), count)))


def behind(timing: Timing) -> np.ndarray:
    """How far each frame comes after its moment on an even clock, s."""
    moments = np.cumsum(steps(timing))
    return moments - np.arange(1, len(moments) + 1) / FPS


def test_a_file_is_exact() -> None:
    assert steps(FILE) == pytest.approx(np.full(4000, 1 / FPS))


@pytest.mark.parametrize("timing", [CAMERA, SOFTWARE], ids=["camera", "software"])
def test_the_seed_decides_and_time_always_grows(timing: Timing) -> None:
    first, again, other = steps(timing), steps(timing), steps(timing, seed=2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.min() > 0


def test_a_clock_runs_steadily_wrong_by_no_more_than_its_skew() -> None:
    rates = [FPS * steps(Timing(skew=0.01), 2, seed).mean() - 1 for seed in range(200)]
    assert np.abs(rates).max() <= 0.01
    assert np.std(rates) == pytest.approx(0.01 / np.sqrt(3), rel=0.15)
    assert np.ptp(steps(Timing(skew=0.01))) == pytest.approx(0.0)


def test_trembling_frames_lie_about_their_moments_and_do_not_wander_off() -> None:
    found = behind(Timing(tremble=0.004))
    assert found.std() == pytest.approx(0.004, rel=0.1)
    assert np.abs(found).max() <= 0.3 / FPS + 1e-9


def test_a_late_frame_does_not_delay_those_after_it() -> None:
    found = behind(Timing(late=0.2, lag=0.01))
    assert found.min() > -1e-9
    late = found > 1e-9
    assert late.mean() == pytest.approx(0.2, abs=0.03)
    assert found[late].mean() == pytest.approx(0.01, rel=0.2)


def test_frames_that_pile_up_after_a_long_lag_still_follow_each_other() -> None:
    found = steps(Timing(late=0.3, lag=0.2))
    assert found.min() == pytest.approx(0.001)
    assert found.max() > 0.2


def test_software_is_rougher_than_a_camera() -> None:
    assert steps(SOFTWARE).std() > 2 * steps(CAMERA).std() > 0
