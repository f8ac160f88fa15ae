"""Windows over made calls: which count, what abstains, and one call through the pipeline."""

from pathlib import Path

import pytest

from bench.judging.calls import Plan, Window, plans, scored, windows_of
from bench.judging.clips import CUES, Call, Moment, Watched, watch
from guard.cli.demo.pictures import astronaut, talking_person
from guard.core.errors import MediaError
from guard.core.types import Family
from guard.simulate.testing.species import EXTENSION, FACE_SWAP, SPECIES
from tests.support.models import write_engine

pytestmark = pytest.mark.model

MANIPULATION = Family.MANIPULATION


def call(clip: Path = Path("a.mp4"), seconds: float = 20.0) -> Call:
    return Call(clip, clip, FACE_SWAP, seconds, attack_at=seconds / 2, seed=1)


def watched(value: float | None, attacked_from: float, seconds: float = 20.0) -> Watched:
    """Eight frames a second; the engine says 0.1 before the attack, then ``value``."""
    moments = []
    for number in range(round(8 * seconds)):
        at = number / 8
        attack = at >= attacked_from
        learned: dict[Family, float | None] = dict.fromkeys(CUES, value if attack else 0.1)
        moments.append(Moment(at, attack, learned, dict.fromkeys(CUES, 0.2)))
    return Watched(call(), tuple(moments), ())


def test_windows_about_the_switch_are_neither():
    found = list(windows_of(watched(0.9, attacked_from=10.0)))
    assert [one.begin for one in found if not one.attack] == [1.0, 2.0, 3.0, 4.0, 5.0]
    # a window whose first frames only are still bona fide is an attack
    assert [one.begin for one in found if one.attack] == [9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0]


def test_a_window_says_the_mean_of_what_was_said():
    attacks = [one for one in windows_of(watched(0.9, attacked_from=10.0)) if one.attack]
    assert attacks[-1].learned[MANIPULATION] == pytest.approx(0.9)
    assert attacks[0].learned[MANIPULATION] == pytest.approx((8 * 0.1 + 32 * 0.9) / 40)


def test_a_window_hardly_judged_is_an_abstention_not_a_miss():
    found = [one for one in windows_of(watched(None, attacked_from=0.0)) if one.attack]
    assert all(one.learned[MANIPULATION] is None for one in found)
    judged = scored(found, MANIPULATION)
    assert (judged.attacks.size, judged.abstained(attack=True).hits) == (0, len(found))
    assert scored(found, MANIPULATION, fused=True).attacks.size == len(found)


def test_a_short_or_empty_run_has_no_window():
    assert list(windows_of(watched(0.9, attacked_from=0.0, seconds=4.0))) == []
    assert list(windows_of(Watched(call(), (), (), "no face"))) == []


def test_people_are_clips():
    windows = [
        Window(clip, FACE_SWAP.name, 1.0, clip == "b", dict.fromkeys(CUES, 0.5), dict.fromkeys(CUES, 0.5))
        for clip in "aab"
    ]
    assert scored(windows, MANIPULATION).groups == 2


def test_every_variant_of_a_learned_family_is_planned_and_bona_fide_on_all_clips(tmp_path: Path):
    for name in "abc":
        (tmp_path / f"{name}.mp4").touch()
    planned = list(plans(Plan(tmp_path, None, 20.0, seed=0, everything=False)))
    wanted = {name for name, one in SPECIES.items() if one.family is None or one.family in CUES}
    assert {one.species.name for one in planned} == wanted
    assert len({one.clip for one in planned if one.species is EXTENSION}) == 3
    assert all(one.clip != one.other for one in planned)
    everything = list(plans(Plan(tmp_path, None, 20.0, seed=0, everything=True)))
    assert len(everything) == 3 * len(wanted)
    with pytest.raises(MediaError, match="--calls"):
        list(plans(Plan(tmp_path / "gone", None, 20.0, seed=0, everything=False)))


def test_a_swap_switched_on_in_a_call_is_seen_frame_by_frame(tmp_path: Path):
    for family, task in (("face-manipulation", "manipulation"), ("face-presentation", "presentation")):
        write_engine(tmp_path, family, task)
    made = watch(Call(talking_person(), astronaut(), FACE_SWAP, 3.0, 1.5, 1, tmp_path))
    assert made.trouble == ""
    assert {one.attack for one in made.moments if one.at < 1.3} == {False}
    assert {one.attack for one in made.moments if one.at > 1.7} == {True}
    assert 18 <= len(made.moments) <= 30
    spoken = [one.learned[MANIPULATION] for one in made.moments]
    assert sum(value is not None for value in spoken) > len(spoken) / 2


def test_a_clip_without_a_face_is_told(tmp_path: Path):
    (tmp_path / "none.mp4").write_bytes(b"")
    made = watch(call(tmp_path / "none.mp4"))
    assert made.moments == ()
    assert "none.mp4" in made.trouble
