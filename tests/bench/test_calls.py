"""Windows over made calls: which count, what abstains, and one call through the pipeline."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from bench.judging import calls
from bench.judging.calls import Plan, Window, clips_of, plans, scored, windows_of, with_faces
from bench.judging.clips import CUES, Call, Moment, Watched, watch
from guard.cli.demo.pictures import astronaut, talking_person
from guard.config import AnalysisSettings
from guard.core.errors import MediaError
from guard.core.types import Family
from guard.simulate.testing.species import EXTENSION, FACE_SWAP, MID_CALL_SWITCH, SPECIES
from tests.support.clips import write_clip
from tests.support.models import write_engine

pytestmark = pytest.mark.model

MANIPULATION = Family.MANIPULATION


def call(clip: Path = Path("a.mp4"), seconds: float = 20.0) -> Call:
    return Call(clip, clip, FACE_SWAP, seconds, seconds / 2, 1, AnalysisSettings())


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
    windows = [window(clip, attack=clip == "b") for clip in "aab"]
    assert scored(windows, MANIPULATION).groups == 2


def test_every_variant_of_a_learned_family_is_planned_and_bona_fide_on_all_clips(tmp_path: Path):
    for name in "abc":
        (tmp_path / f"{name}.mp4").touch()
    plan = Plan(tmp_path, AnalysisSettings(), 20.0, seed=0)
    planned = list(plans(plan, clips_of(plan)))
    wanted = {name for name, one in SPECIES.items() if one.family is None or one.family in CUES}
    wanted.remove(MID_CALL_SWITCH.name)  # frame for frame the face swap that is switched on
    assert {one.species.name for one in planned} == wanted
    assert len({one.clip for one in planned if one.species is EXTENSION}) == 3
    assert all(one.clip != one.other for one in planned)
    everything = list(plans(replace(plan, everything=True), clips_of(plan)))
    assert len(everything) == 3 * len(wanted)


def test_one_clip_or_none_is_not_enough(tmp_path: Path):
    for name in ("gone", "one"):
        with pytest.raises(MediaError, match=r"expected 2 clips .*check --calls"):
            clips_of(Plan(tmp_path / name, AnalysisSettings(), 20.0, seed=0))
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one/a.mp4").touch()


def test_held_out_are_clips_that_no_recipe_learns_from(tmp_path: Path):
    plan = Plan(tmp_path, AnalysisSettings(), 20.0, seed=0, held_out=True)
    for name in ("liveportrait_d0", "liveportrait_d9", "vretalk_2"):
        (tmp_path / f"{name}.mp4").touch()
    with pytest.raises(MediaError, match="that no recipe learns from"):
        clips_of(plan)
    (tmp_path / "vretalk_1.mp4").touch()
    planned = list(plans(plan, clips_of(plan)))
    assert {one.clip.stem for one in planned} | {one.other.stem for one in planned} == {
        "liveportrait_d9",
        "vretalk_1",
    }


def test_an_alert_before_the_attack_is_a_false_one_and_no_detection():
    early, late = (Family.MANIPULATION, 5.0), (Family.MANIPULATION, 12.0)
    switched = watched(0.9, attacked_from=10.0)
    assert not replace(switched, raised=(early,)).is_detected(MANIPULATION)
    assert replace(switched, raised=(early,)).wrongly_raised() == [early]
    both = replace(switched, raised=(early, late, (Family.INJECTION, 3.0)))
    assert both.is_detected(MANIPULATION)
    assert not both.is_detected(Family.PRESENTATION)
    assert both.wrongly_raised() == [early]
    never = replace(watched(0.9, attacked_from=math.inf), raised=(late,))
    assert never.wrongly_raised() == [late]


def test_the_figures_say_which_runs_were_raised():
    seen = replace(watched(0.9, attacked_from=10.0), raised=((Family.MANIPULATION, 12.0),))
    missed = watched(0.9, attacked_from=10.0)
    told = calls.figures(20.0, [seen, missed], [window("a", attack=True), window("b", attack=False)], [])
    assert told["manipulation_simulated"]["raised"] == {FACE_SWAP.name: [1, 2]}
    assert told["manipulation_simulated"]["window_auc_all_cues"] is not None
    assert told["presentation_simulated"]["raised"] == {}


def test_the_figures_say_what_was_learned_from_and_no_error_rate_without_bona_fide():
    attacks = [window("a", attack=True), window("b", attack=True)]
    told = calls.figures(20.0, [], attacks, ["empty.mp4"])
    assert told["manipulation_simulated"]["window_apcer_at_bpcer5"] == {FACE_SWAP.name: None}
    assert told["left_out"] == ["empty.mp4"]
    plain = [window("a", attack=False), window("liveportrait_d9", attack=False)]
    learned = {
        name: calls.figures(20.0, [], plain, [])[f"{name}_simulated"]["clips_learned_from"]
        for name in ("manipulation", "presentation")
    }
    assert learned == {"manipulation": [], "presentation": ["a"]}
    live = [
        replace(watched(0.1, math.inf), call=replace(call(Path(f"{name}.mp4")), species=EXTENSION))
        for name in ("a", "liveportrait_d9")
    ]
    assert [line[1:3] for line in calls.bona_fide_table(live, []).lines] == [
        ("a", "presentation"),
        ("liveportrait_d9", "no"),
    ]


def window(clip: str, *, attack: bool) -> Window:
    return Window(clip, FACE_SWAP.name, 1.0, attack, dict.fromkeys(CUES, 0.5), dict.fromkeys(CUES, 0.5))


def test_a_swap_switched_on_in_a_call_is_seen_frame_by_frame(tmp_path: Path):
    for family, task in (("face-manipulation", "manipulation"), ("face-presentation", "presentation")):
        write_engine(tmp_path, family, task)
    engines = AnalysisSettings(engines_dir=tmp_path)
    made = watch(Call(talking_person(), astronaut(), FACE_SWAP, 3.0, 1.5, 1, engines))
    assert made.trouble == ""
    assert {one.attack for one in made.moments if one.at < 1.3} == {False}
    assert {one.attack for one in made.moments if one.at > 1.7} == {True}
    assert 18 <= len(made.moments) <= 30
    spoken = [one.learned[MANIPULATION] for one in made.moments]
    assert sum(value is not None for value in spoken) > len(spoken) / 2


def test_a_run_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "none.mp4").write_bytes(b"")
    made = watch(call(tmp_path / "none.mp4"))
    assert made.moments == ()
    assert "none.mp4" in made.trouble


@pytest.fixture
def clips(tmp_path: Path) -> dict[str, Path]:
    """Two of a person, one without anybody, and a file that is no clip."""
    made = {name: tmp_path / f"{name}.mp4" for name in ("ada", "bob", "broken", "empty")}
    for name in ("ada", "bob"):
        made[name].symlink_to(talking_person())
    made["broken"].write_bytes(b"no clip")
    write_clip(made["empty"], 10)
    return made


def test_clips_without_a_face_are_named_and_the_others_go_on(
    clips: dict[str, Path], capsys: pytest.CaptureFixture[str]
):
    assert with_faces(list(clips.values())) == [clips["ada"], clips["bob"]]
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("left out")]
    assert len(lines) == 2
    assert "broken.mp4" in lines[0]
    assert "empty.mp4: expected a face in the first 6 s" in lines[1]


def test_too_few_clips_with_a_face_end_the_bench(clips: dict[str, Path]):
    with pytest.raises(MediaError, match="expected a face in 2 clips or more, found 1"):
        with_faces([clips["ada"], clips["empty"]])
