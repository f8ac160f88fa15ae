"""Who is never trained on."""

import pytest

from guard.simulate.training.split import HELD_OUT_CLIPS, is_held_out, is_learned_from

pytestmark = pytest.mark.unit


def test_about_one_in_seven_is_held_out_by_hash_and_the_named_clips_always():
    kept = sum(is_held_out(f"person {number}") for number in range(2000))
    assert 0.12 < kept / 2000 < 0.18
    assert all(is_held_out(clip) for clip in HELD_OUT_CLIPS)


def test_only_a_recipe_that_reads_clips_learned_from_one_and_never_from_a_held_out_one():
    assert is_learned_from("presentation", "liveportrait_d0")
    assert not is_learned_from("presentation", "liveportrait_d9")
    assert not is_learned_from("manipulation", "liveportrait_d0")


def test_the_projects_own_split_stays_as_it_was_when_its_engines_were_made():
    kept = "".join("1" if is_held_out(f"dfdc_id_t{number}") else "0" for number in range(40))
    assert kept == "0000100000001000000000000000010000100000"
