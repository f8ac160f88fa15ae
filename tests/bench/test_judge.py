"""Pictures of drawn faces through the product's path, and the bench's own command line."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench import accuracy
from bench.judging import calls
from bench.judging.judge import Engines, PictureJudge, Setting, settings_of
from bench.judging.rows import Row
from guard.config.settings import FaceSettings
from guard.core.errors import ConfigError, MediaError, ModelError
from guard.core.types import Picture, Reason
from tests.support.faces_pictured import hung, pictured_face, wall
from tests.support.models import write_engine

pytestmark = pytest.mark.model


def written(path: Path, picture: Picture) -> Path:
    assert cv2.imwrite(str(path), picture[:, :, ::-1])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two engines that say how bright a crop is, and pictures to judge."""
    root = tmp_path_factory.mktemp("bench")
    for name in ("tiny", "other"):
        write_engine(root / "engines", name)
    face = pictured_face(256)
    written(root / "head.png", hung(wall(), face, 192, 60))
    written(root / "tight.png", np.ascontiguousarray(face[40:220, 50:206]))
    written(root / "bright.png", hung(wall(), np.clip(face * 1.3, 0, 255).astype(np.uint8), 192, 60))
    written(root / "wall.png", wall())
    (root / "broken.png").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="module")
def judge(folder: Path) -> Iterator[PictureJudge]:
    made = PictureJudge(Engines(("tiny", "tiny+other"), folder / "engines"), FaceSettings())
    yield made
    made.close()


def row(folder: Path, name: str) -> Row:
    return Row(folder / name, attack=False, species="", group=name)


def test_a_face_before_a_wall_is_judged_and_measured(judge: PictureJudge, folder: Path):
    seen = judge.judge(row(folder, "head.png"), Setting())
    assert seen.scores["tiny"].reason is Reason.LEARNED_SCORE
    assert seen.scores["tiny+other"].value == pytest.approx(seen.scores["tiny"].value)
    assert seen.features is not None
    assert seen.ita is not None
    assert 20 < seen.ita < 70  # a drawn skin that is light


def test_a_tight_crop_is_seen_with_room_about_it(judge: PictureJudge, folder: Path):
    assert judge.judge(row(folder, "tight.png"), Setting()).scores["tiny"].weight > 0


@pytest.mark.parametrize("codec", ["vp8-250k", "h264-600k"])
def test_a_coded_face_says_much_the_same(judge: PictureJudge, folder: Path, codec: str):
    plain = judge.judge(row(folder, "head.png"), Setting()).scores["tiny"]
    coded = judge.judge(row(folder, "head.png"), Setting(codec, 128)).scores["tiny"]
    assert coded.weight > 0
    assert coded.value == pytest.approx(plain.value, abs=0.1)


def test_no_face_is_an_abstention_under_every_setting(judge: PictureJudge, folder: Path):
    for setting in (Setting(), Setting("vp8-600k")):
        seen = judge.judge(row(folder, "wall.png"), setting)
        assert (seen.scores["tiny"].weight, seen.scores["tiny"].reason) == (0.0, Reason.NO_FACE)


def test_a_face_too_small_for_the_product_is_one_too(judge: PictureJudge, folder: Path):
    score = judge.judge(row(folder, "head.png"), Setting("vp8-600k", 34)).scores["tiny"]
    assert score.weight == 0.0


@pytest.mark.parametrize("codec", ["none", "vp8-600k"])
def test_a_whole_image_needs_no_landmarks(judge: PictureJudge, folder: Path, codec: str):
    seen = judge.judge(row(folder, "wall.png"), Setting(codec, 128, whole=True))
    assert seen.scores["tiny"].reason in {Reason.LEARNED_SCORE, Reason.BLURRED}
    assert seen.ita is None
    face = judge.judge(row(folder, "tight.png"), Setting(codec, 128, whole=True))
    assert face.scores["tiny"].weight > 0


def test_the_order_of_pictures_changes_nothing(judge: PictureJudge, folder: Path):
    names = ["head.png", "tight.png", "wall.png", "bright.png"]
    first = {name: judge.judge(row(folder, name), Setting()).scores["tiny"] for name in names}
    again = {name: judge.judge(row(folder, name), Setting()).scores["tiny"] for name in names[::-1]}
    assert first == again


def test_a_broken_file_is_refused(judge: PictureJudge, folder: Path):
    with pytest.raises(MediaError, match=r"broken\.png"):
        judge.judge(row(folder, "broken.png"), Setting())


def test_an_engine_that_is_not_there_is_named(folder: Path):
    with pytest.raises(ModelError, match="'gone'"):
        Engines(("gone",), folder / "engines").open()


def test_engines_of_two_tasks_give_no_opinion_together(folder: Path):
    write_engine(folder / "engines", "replays", "presentation")
    with pytest.raises(ConfigError, match=r"tiny\+replays: expected engines of one task"):
        Engines(("tiny+replays",), folder / "engines").open()


def test_the_ladder_has_each_setting_once():
    found = list(settings_of(["none", "vp8-600k"], [48, 96], ("vp8-600k", 96), whole=False))
    assert [str(one) for one in found] == ["none", "vp8-600k 96 px", "vp8-600k 48 px"]


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    lines = ["path\tlabel\tgroup", "head.png\treal\ta", "tight.png\treal\tb", "bright.png\tspoof\tc"]
    lines += ["wall.png\tspoof\td", "broken.png\tspoof\te"]
    (folder / "table.tsv").write_text("\n".join(lines) + "\n")
    fixed = ["--manifest", str(folder / "table.tsv"), "--root", str(folder), "--jobs", "1"]
    engines = ["--engines-dir", str(folder / "engines"), "--engine", "tiny"]
    monkeypatch.setattr("sys.argv", ["accuracy.py", *fixed, *engines, *words])
    return accuracy.main()


def test_the_last_line_has_the_keys_that_were_promised(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(folder, monkeypatch, "--json", "--compare", "other") == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    promised = {"auc", "auc_lo", "auc_hi", "eer", "tpr_at_fpr5", "bpcer", "apcer", "n", "groups"}
    assert promised <= set(told)
    assert (told["n"], told["judged"], told["unreadable"]) == (4, 3, 1)
    assert told["abstained"] == {"bona_fide": 0, "attack": 1}
    assert told["auc"] == 1.0  # the attack is the brighter one
    assert told["references"]["other"]["auc"] == 1.0
    assert "broken.png" in err


def test_tables_and_plot_come_from_one_call(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    files = ["--out", str(folder / "report.html"), "--plot", str(folder / "ladder.png")]
    assert run(folder, monkeypatch, "--tables", "--limit", "4", *files) == 0
    out = capsys.readouterr().out
    assert "not enough people" in out
    assert "glasses" in out
    assert json.loads(out.splitlines()[-1])["references"].keys() >= {"other"}
    assert (folder / "ladder.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--tables"], "--tables"),
        (["--threshold", "0.7"], "--threshold"),
        (["--codec", "vp8-600k"], "--codec"),
        (["--engine", "a+b"], "one engine"),
    ],
)
def test_what_calls_cannot_use_is_refused(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    with pytest.raises(SystemExit) as ended:
        accuracy.read_options(["--calls", str(tmp_path), *words])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_calls_are_judged_by_the_engine_that_was_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[calls.Plan] = []

    def run_none(plan: calls.Plan, _: int) -> tuple[dict[str, float], list[object]]:
        asked.append(plan)
        return {}, []

    monkeypatch.setattr(calls, "run", run_none)
    words = [
        "--calls",
        str(folder),
        "--engines-dir",
        str(folder / "engines"),
        "--engine",
        "tiny",
        "--held-out",
    ]
    monkeypatch.setattr("sys.argv", ["accuracy.py", *words, "--json"])
    assert accuracy.main() == 0
    (plan,) = asked
    assert (plan.analysis.manipulation_engine, plan.analysis.presentation_engine) == (
        "tiny",
        "face-presentation",
    )
    assert plan.held_out


def test_wrong_use_ends_with_two_and_says_why(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run(folder, monkeypatch, "--under", "nothing/") == 2
    assert "--under" in capsys.readouterr().err
