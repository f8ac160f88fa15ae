import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.simulate.warp import Drift, Sensor, camera_matrix, move_points, require_picture

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("seed", range(5))
def test_drift_stays_in_bounds_and_moves_smoothly(seed: int) -> None:
    drift = Drift(np.random.default_rng(seed), (0.1, 3.0), (0.05, 0.3))
    path = np.array([drift.at(n / 30) for n in range(3000)])
    assert (np.abs(path) <= (0.1, 3.0)).all()
    assert (np.ptp(path, axis=0) > (0.08, 2.4)).all()
    fastest = 2 * np.pi * 0.3 / 30  # of the amplitude, in one frame
    assert (np.abs(np.diff(path, axis=0)) <= fastest * np.array([0.1, 3.0])).all()


def test_sensor_adds_noise_that_never_repeats() -> None:
    sensor = Sensor(np.random.default_rng(1), (64, 48), noise=2.0)
    grey = np.full((48, 64, 3), 120, np.uint8)
    shots = [sensor.expose(grey, n / 30) for n in range(50)]
    assert len({shot.tobytes() for shot in shots}) == 50
    assert np.std(shots[0].astype(float) - shots[0].mean(axis=(0, 1))) == pytest.approx(2.0, rel=0.15)
    assert all(abs(shot.mean() - 120) < 10 for shot in shots)
    assert (grey == 120).all()


def test_sensor_does_not_wrap_at_black_and_white() -> None:
    sensor = Sensor(np.random.default_rng(1), (64, 48), noise=8.0)
    for level in (0, 255):
        shot = sensor.expose(np.full((48, 64, 3), level, np.uint8), 0.0)
        assert abs(shot.mean() - level) < 20


@pytest.mark.parametrize("output", [(352, 288), (320, 240), (144, 400)])
def test_camera_at_zoom_one_covers_the_output(output: tuple[int, int]) -> None:
    matrix = camera_matrix((176, 144), output, 1.0)
    middle = move_points(matrix, np.array([[87.5, 71.5]]))
    assert middle[0] == pytest.approx([(output[0] - 1) / 2, (output[1] - 1) / 2])
    edges = move_points(matrix, np.array([[-0.5, -0.5], [175.5, 143.5]]))
    assert (edges[0] <= -0.49).all()
    assert (edges[1] >= np.array(output) - 0.51).all()


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3)])
def test_other_shapes_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="Clip: expected RGB uint8"):
        require_picture("Clip", np.zeros(shape, np.uint8))
