import numpy as np
import pytest

from guard.simulate.training.prints import card, dots, inked, margin, screened, shaded
from guard.simulate.training.surfaces import Bend, Rect, laid
from tests.support.faces import drawn_face

pytestmark = pytest.mark.unit

SHAPE = (160, 160)
FACE = drawn_face(SHAPE, (80, 80), 90, (200, 160, 140))
FLAT = laid(np.eye(3), (80, 80), 90, SHAPE)


def test_ink_has_fewer_tones_than_the_picture() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[np.newaxis, :, np.newaxis], 3, axis=2).repeat(32, axis=0)
    for seed in range(8):
        put = inked(ramp, np.random.default_rng(seed))
        assert put.dtype == np.uint8
        assert np.ptp(put.mean(axis=2)) < 250
        assert np.array_equal(put, inked(ramp, np.random.default_rng(seed)))


def test_dots_stand_a_period_apart() -> None:
    row = dots(FLAT, 8.0, 0.0)[0]
    power = np.abs(np.fft.rfft(row - row.mean()))
    assert np.argmax(power) == 160 / 8
    assert np.abs(dots(FLAT, 8.0, 0.5)).max() <= 1


def test_printed_paper_is_never_quite_smooth() -> None:
    grey = np.full((*SHAPE, 3), 128, np.uint8)
    seen = [screened(grey, FLAT, np.random.default_rng(seed)) for seed in range(8)]
    assert all(each.std() > 0 for each in seen)
    assert max(each.std() for each in seen) > 3


def test_a_margin_is_bare_paper_inside_the_edge() -> None:
    black = np.zeros((*SHAPE, 3), np.float32)
    seen = margin(black, FLAT, Rect(20, 20, 140, 140), 10, np.random.default_rng(1))
    assert seen[80, 24].min() > 120
    assert seen[80, 80].max() == 0


def test_a_bend_turns_light_away_on_one_side() -> None:
    bent = laid(np.eye(3), (80, 80), 90, SHAPE, Bend(0.0, 0.1, 0.1))
    light = np.full((*SHAPE, 3), 100, np.float32)
    slopes = []
    for seed in range(12):
        seen = shaded(light, bent, np.random.default_rng(seed))
        slopes.append(abs(float(seen[:40].mean() - seen[120:].mean())))
    assert max(slopes) > 15


def test_a_card_keeps_the_portrait_and_draws_around_it() -> None:
    portrait, whole = Rect(40, 40, 120, 130), Rect(20, 10, 300, 190)
    drawn = card(FACE, portrait, whole, np.random.default_rng(1))
    assert np.array_equal(drawn[40:130, 40:120], FACE[40:130, 40:120])
    assert not np.array_equal(drawn[:, 125:], FACE[:, 125:])
    assert np.array_equal(drawn, card(FACE, portrait, whole, np.random.default_rng(1)))
