import numpy as np
import pytest

from guard.core.errors import ShapeError
from guard.core.types import Picture
from guard.simulate.training.degrade import Call, beautified, carried, degrade, occluded, sensor_noise
from guard.simulate.training.pictures import jpeg, resize
from tests.support.faces import drawn_face

pytestmark = pytest.mark.unit

SEEDS = range(10)


def face() -> Picture:
    return drawn_face((144, 144), (72, 72), 100, (200, 160, 140))


class RecordingCodec:
    """Remembers what it was handed and gives it back unchanged."""

    def __init__(self) -> None:
        self.sides: list[tuple[int, ...]] = []

    def __call__(self, picture: Picture, rng: np.random.Generator) -> Picture:
        rng.random()
        self.sides.append(picture.shape)
        return picture


@pytest.mark.parametrize("seed", SEEDS)
def test_a_crop_comes_back_at_the_size_asked_for(seed: int) -> None:
    seen = degrade(face(), 128, Call(), np.random.default_rng(seed))
    assert seen.shape == (128, 128, 3)
    assert seen.dtype == np.uint8
    assert np.array_equal(seen, degrade(face(), 128, Call(), np.random.default_rng(seed)))


def test_the_codec_sees_the_size_of_the_call() -> None:
    codec = RecordingCodec()
    for seed in range(60):
        degrade(face(), 128, Call(1.0, 48, 120), np.random.default_rng(seed), codec)
    assert codec.sides
    assert all(
        height == width and 48 <= height <= 120 and height % 2 == 0 for height, width, _ in codec.sides
    )
    assert len(set(codec.sides)) > 5


def test_what_a_net_sees_is_what_was_carried_made_larger() -> None:
    sides = set()
    for seed in SEEDS:
        sent = carried(face(), Call(1.0, 48, 120), np.random.default_rng(seed))
        sides.add(sent.shape)
        seen = degrade(face(), 128, Call(1.0, 48, 120), np.random.default_rng(seed))
        assert np.array_equal(seen, resize(sent, 128, 128))
    assert len(sides) > 3
    assert all(height == width and 48 <= height <= 120 for height, width, _ in sides)


def test_a_poor_call_loses_more_than_a_good_one() -> None:
    def lost(strength: float) -> float:
        rng = np.random.default_rng(1)
        pairs = (degrade(face(), 144, Call(strength), rng) for _ in range(30))
        return float(np.mean([np.abs(seen.astype(int) - np.asarray(face(), int)).mean() for seen in pairs]))

    assert lost(0.0) < 0.5 * lost(1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_something_before_a_face_hides_a_part_of_it_and_no_more(seed: int) -> None:
    before = face()
    after = occluded(before, np.random.default_rng(seed))
    hidden = (np.abs(after.astype(int) - np.asarray(before, int)).max(axis=2) > 3).mean()
    assert 0 < hidden < 0.5
    assert np.array_equal(before, face()), "the picture handed in is left alone"


def test_noise_has_the_strength_asked_for() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = sensor_noise(grey, 5.0, np.random.default_rng(2))
    assert noisy.std() == pytest.approx(5.0, rel=0.1)


def test_jpeg_keeps_colour_order() -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[:, :, 0] = 200
    coded = jpeg(red, 90)
    assert coded[..., 0].mean() > 190
    assert coded[..., 2].mean() < 10


def test_a_grey_picture_is_refused() -> None:
    with pytest.raises(ShapeError, match="convert it to RGB"):
        degrade(np.zeros((64, 64), np.uint8), 32, Call(), np.random.default_rng(0))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_beauty_filter_smooths_skin_and_keeps_edges(seed: int) -> None:
    rough = sensor_noise(face(), 6.0, np.random.default_rng(99))
    filtered = beautified(rough, np.random.default_rng(seed))
    skin = np.s_[60:70, 64:80]
    assert filtered[skin].std(axis=(0, 1)).mean() < 0.9 * rough[skin].std(axis=(0, 1)).mean()
    assert np.corrcoef(filtered.mean(axis=2).ravel(), face().mean(axis=2).ravel())[0, 1] > 0.97
    assert np.array_equal(filtered, beautified(rough, np.random.default_rng(seed)))
