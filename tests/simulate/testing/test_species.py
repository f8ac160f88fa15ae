"""Every species opens in one way, is seeded, and says when it shows."""

from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest

from guard.core.errors import NotFoundError, ShapeError
from guard.core.types import Family, Picture
from guard.simulate.extend import Extension
from guard.simulate.testing.material import Person, TimedShot
from guard.simulate.testing.species import (
    BENT_PRINT,
    EXTENSION,
    FACE_SWAP,
    FADED_LOOP,
    INJECTED_FILE,
    LOOPED_CLIP,
    MID_CALL_SWITCH,
    PHONE_REPLAY,
    PHOTO_IN_HAND,
    SPECIES,
    SWITCHED_AT,
    Species,
    find_species,
    open_species,
)
from tests.support.species import SIZE, drawn_material

pytestmark = pytest.mark.unit

MATERIAL = drawn_material()
FPS = 30.0


def shots(species: Species, count: int, seed: int = 1, at: float | None = 0.0) -> list[TimedShot]:
    return list(islice(open_species(species, MATERIAL, SIZE, FPS, seed, attack_at=at), count))


def pictures(species: Species, count: int, seed: int = 1) -> list[Picture]:
    return [shot.picture for shot in shots(species, count, seed)]


def test_every_name_says_that_it_is_a_test_variant() -> None:
    assert all(name.endswith(":test") and name == one.name for name, one in SPECIES.items())
    assert {PHOTO_IN_HAND.name, FACE_SWAP.name} == {"photo-in-hand:test", "face-swap:test"}
    families = [one.family for one in SPECIES.values()]
    assert families.count(None) == 4
    assert set(families) == {None, Family.PRESENTATION, Family.MANIPULATION, Family.INJECTION}


@pytest.mark.parametrize("species", SPECIES.values(), ids=str)
def test_frames_are_of_the_size_asked_for_and_the_seed_decides(species: Species) -> None:
    first, again = shots(species, 8), shots(species, 8)
    for one, other in zip(first, again, strict=True):
        assert one.picture.shape == (SIZE[1], SIZE[0], 3)
        assert one.picture.dtype == np.uint8
        assert (one.picture == other.picture).all()
        assert one.at == other.at
    if species in {LOOPED_CLIP, FADED_LOOP}:
        return  # a clip as short as this one is taken whole
    others = pictures(species, 8, seed=2)
    assert any((a.picture != b).any() for a, b in zip(first, others, strict=True))


@pytest.mark.parametrize("species", SPECIES.values(), ids=str)
def test_an_attack_shows_and_bona_fide_does_not(species: Species) -> None:
    assert all(shot.attack is (species.family is not None) for shot in shots(species, 8))


@pytest.mark.parametrize("species", [one for one in SPECIES.values() if one.family], ids=str)
def test_an_attack_differs_from_the_person(species: Species) -> None:
    bona_fide = pictures(EXTENSION, 3)
    assert all((a != b).any() for a, b in zip(bona_fide, pictures(species, 3), strict=True))


def test_a_mid_call_switch_is_bona_fide_before_and_a_swap_after() -> None:
    made = list(islice(open_species(MID_CALL_SWITCH, MATERIAL, SIZE, 5.0, 3), 50))
    person = list(islice(Extension(MATERIAL.person.clip, SIZE, 3, 5.0), 50))
    same = [(a.picture == b.picture).all() for a, b in zip(made, person, strict=True)]
    assert [shot.attack for shot in made] == [number >= SWITCHED_AT * 5 for number in range(50)]
    assert same == [not shot.attack for shot in made]


def test_any_attack_can_begin_in_mid_call() -> None:
    made = shots(PHONE_REPLAY, 8, at=0.1)
    assert [shot.attack for shot in made] == [False] * 3 + [True] * 5
    assert (made[0].picture == pictures(EXTENSION, 1)[0]).all()


def test_a_file_has_an_exact_clock_and_a_camera_has_not() -> None:
    exact = np.diff([shot.at for shot in shots(INJECTED_FILE, 40)])
    assert np.ptp(exact) < 1e-9
    camera = [shot.at for shot in shots(EXTENSION, 40)]
    assert np.diff(camera).std() > 0.0005
    assert min(np.diff(camera)) > 0
    assert camera[-1] == pytest.approx(39 / FPS, abs=0.02)


def test_an_injected_file_repeats_every_fifth_picture() -> None:
    repeats = [(a == b).all().item() for a, b in pairwise(pictures(INJECTED_FILE, 61))]
    assert repeats == [number % 6 == 0 for number in range(60)]


def test_names_are_found_with_and_without_the_variant() -> None:
    assert find_species("phone-replay") is find_species("phone-replay:test") is PHONE_REPLAY
    with pytest.raises(NotFoundError, match="one of: photo-in-hand, bent-print"):
        find_species("mask")


def test_what_is_lacking_is_told() -> None:
    with pytest.raises(ShapeError, match="face-swap:test: expected a photo of another person"):
        open_species(FACE_SWAP, replace(MATERIAL, other=None), SIZE, FPS, 1)
    one = Person(MATERIAL.person.clip[:1], MATERIAL.person.points[:1])
    with pytest.raises(ShapeError, match="expected a clip of a person who moves"):
        open_species(PHONE_REPLAY, replace(MATERIAL, person=one), SIZE, FPS, 1)
    still = replace(MATERIAL, person=one)
    assert next(open_species(BENT_PRINT, still, SIZE, FPS, 1)).attack
    with pytest.raises(ShapeError, match="who moves"):
        open_species(BENT_PRINT, still, SIZE, FPS, 1, attack_at=1.0)


def test_a_clip_too_short_to_fade_is_told_before_the_first_frame() -> None:
    short = replace(MATERIAL, person=Person(MATERIAL.person.clip[:10], MATERIAL.person.points[:10]))
    with pytest.raises(ShapeError, match="of 24 pictures or more, got 10; give a longer clip"):
        open_species(FADED_LOOP, short, SIZE, FPS, 1)


def test_landmarks_are_wanted_for_each_picture() -> None:
    with pytest.raises(ShapeError, match="expected landmarks for each picture, got 23 for 24"):
        Person(MATERIAL.person.clip, MATERIAL.person.points[:23])
