"""``guard train``, with a recipe that learns nothing."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from guard.cli.train import command
from guard.cli.train.run import run_recipe
from guard.core.errors import EnvironmentProblem
from guard.inference import locate
from guard.inference.manifest import read_manifest
from guard.inference.open import open_engine
from tests.cli.train.test_material import KEPT, LEARNED, PERSONS, write
from tests.support.command import Command
from tests.support.models import write_engine

pytestmark = pytest.mark.model

RECIPE = """
import argparse, pathlib, shutil
import numpy as np
parser = argparse.ArgumentParser()
for name in ("--data", "--out", "--work", "--threads"):
    parser.add_argument(name, required=True)
parser.add_argument("--quick", action="store_true")
options = parser.parse_args()
state = pathlib.Path(options.work) / "state.pt"
for step in range(int(state.read_text()) if state.is_file() else 0, 4):
    print(f"step {step + 1}/4 loss 0.5", flush=True)
    state.write_text(str(step + 1))
    if (pathlib.Path(options.data) / "stop").exists() and step == 1:
        print("waiting", flush=True)
        import signal; signal.pause()
(pathlib.Path(options.work) / "face-presentation.txt").write_text(
    f"after 4 steps\\nswaps of the data, clean: AUC 0.9{' quick' if options.quick else ''}\\n"
)
out = pathlib.Path(options.out)
out.mkdir(parents=True, exist_ok=True)
here = pathlib.Path(__file__).parent
for file in ("model.onnx", "engine.toml"):
    shutil.copy(here / file, out / file)
inputs = np.zeros((1, 3, 8, 8), np.float32)
np.savez(out / "golden.npz", inputs=inputs, outputs=np.zeros(1, np.float32))
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with one engine that has a recipe, and a home without engines."""
    folder = tmp_path / "site" / "guard"
    folder.mkdir(parents=True)
    monkeypatch.setattr(locate, "PACKAGE", folder)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "require_extra", lambda _name, _to: None)
    (write_engine(folder / "_engines", "face-presentation", "presentation") / "recipe.py").write_text(RECIPE)
    return folder


@pytest.fixture
def calls(tmp_path: Path, package: Path) -> Path:  # noqa: ARG001 -- with it in place
    """A folder of a team's own; the files are empty, the recipe does not look."""
    root = tmp_path / "calls"
    root.mkdir()
    rows = [(f"{person}.jpg", "bona_fide", person) for person in PERSONS]
    rows += [(f"{person}.mp4", "bona_fide", person) for person in (KEPT[0], LEARNED[0])]
    rows += [(f"{person}-a.mp4", "attack", person) for person in (KEPT[0], LEARNED[0])]
    return write(root, rows)


def train(guard: Command, calls: Path, *more: str):
    return guard("train", "--data", str(calls), "--engine", "face-presentation", "--quick", *more)


def test_a_new_engine_has_its_own_name_terms_and_card(guard: Command, calls: Path, tmp_path: Path):
    terms = ("--licence", "ours", "--data-terms", 'with "consent"', "--commercial-use")
    done = train(guard, calls, "--name", "ours", *terms)
    assert done.status == 0, done.error
    folder = locate.user_root() / "ours"
    assert done.out == f"{folder}\n"
    assert 'presentation_engine = "ours"' in done.error
    engine = open_engine("ours").manifest.engine
    assert (engine.name, engine.licence, engine.data_terms) == ("ours", "ours", 'with "consent"')
    assert engine.commercial_use is True
    card = (folder / "CARD.md").read_text()
    assert "swaps of the data, clean: AUC 0.9 quick" in card
    assert "30 persons" in card
    assert "**Made with --quick: " in card
    assert "It was made with --quick: " in done.error
    assert not list((tmp_path / "cache").rglob("*.pt"))  # nor the faces beside it


def test_without_terms_the_engine_says_that_there_are_none(guard: Command, calls: Path):
    assert train(guard, calls).status == 0
    engine = read_manifest(locate.user_root() / "face-presentation-own").engine
    assert (engine.licence, engine.commercial_use) == ("not stated", False)
    assert "terms not stated" in engine.data_terms


def test_a_run_that_was_stopped_goes_on(guard: Command, calls: Path, monkeypatch: pytest.MonkeyPatch):
    (calls / "stop").write_text("")
    follow = run_recipe

    def stopped(words: list[str], on_line: Callable[[str], None]) -> None:
        def told(line: str) -> None:
            on_line(line)
            if line == "waiting":
                signal.raise_signal(signal.SIGINT)

        follow(words, told)

    monkeypatch.setattr(command, "run_recipe", stopped)
    done = train(guard, calls)
    assert done.status == 130
    assert "the same command with --resume goes on" in done.error
    assert not locate.user_root().exists()
    assert "expected --resume, as an unfinished run lies there" in train(guard, calls).error
    (calls / "stop").unlink()
    done = train(guard, calls, "--resume")
    assert done.status == 0, done.error
    assert "step 3/4" in done.error
    assert "step 1/4" not in done.error


def unfinished(tmp_path: Path, content: str) -> None:
    place = tmp_path / "cache" / "call-guard" / "training" / "face-presentation-own"
    place.mkdir(parents=True)
    (place / "run.json").write_text(content)


def test_a_state_of_another_run_is_not_gone_on_with(guard: Command, calls: Path, tmp_path: Path):
    unfinished(tmp_path, json.dumps({"engine": "other", "data": str(calls)}))
    for more in ((), ("--resume",)):
        done = train(guard, calls, *more)
        assert done.status == 1
        assert (
            "got other: --engine was other, is face-presentation; --quick was not given, is given; "
            "MANIFEST.tsv has changed; go back to that with --resume"
        ) in done.error


@pytest.mark.parametrize("row", ["p0.jpg\tlive\tp1\t", "p0.jpg\tattack\tp0\tpresentation"])
def test_a_run_is_not_gone_on_with_on_other_rows(guard: Command, package: Path, calls: Path, row: str):
    recipe = package / "_engines" / "face-presentation" / "recipe.py"
    sound = recipe.read_text()
    recipe.write_text("raise ValueError")
    listing = calls / "MANIFEST.tsv"
    before = listing.read_text()
    assert train(guard, calls).status == 1
    assert "p0" not in next((calls.parent / "cache").rglob("run.json")).read_text()
    listing.write_text(before.replace("group\n", "group\tfamily\n") + f"{row}\n")
    recipe.write_text(sound)
    done = train(guard, calls, "--resume")
    assert done.status == 1
    assert "begun with, got other: MANIFEST.tsv has changed; " in done.error
    listing.write_text(before)
    assert train(guard, calls, "--resume").status == 0


def test_a_run_that_fails_is_not_called_stopped_and_goes_on(guard: Command, package: Path, calls: Path):
    recipe = package / "_engines" / "face-presentation" / "recipe.py"
    sound = recipe.read_text()
    error = "from guard.core.errors import MediaError; raise MediaError('cannot read a.jpg; restore it')"
    recipe.write_text(sound.replace("out = ", f"{error}\nout = "))
    done = train(guard, calls)
    assert done.status == 1
    assert done.error.endswith(
        "guard: the training run failed: cannot read a.jpg; restore it; mend that, then the same command "
        "with --resume goes on\n"
    )
    assert "stopped" not in done.error
    recipe.write_text(sound)
    done = train(guard, calls, "--resume")
    assert done.status == 0, done.error


def test_a_named_work_folder_keeps_faces_but_no_state(guard: Command, calls: Path, tmp_path: Path):
    place = tmp_path / "work" / "face-presentation-own"
    place.mkdir(parents=True)
    (place / "faces.npy").write_bytes(b"")
    assert train(guard, calls, "--work", str(tmp_path / "work")).status == 0
    assert [path.name for path in place.iterdir()] == ["faces.npy"]
    assert place.stat().st_mode & 0o777 == 0o700


def test_what_else_lies_in_a_named_work_folder_is_left_alone(guard: Command, calls: Path, tmp_path: Path):
    theirs = {tmp_path / "work" / name for name in ("state.pt", "run.json", "figures.txt")}
    (tmp_path / "work").mkdir()
    for path in theirs:
        path.write_text("3")
    done = train(guard, calls, "--work", str(tmp_path / "work"))
    assert done.status == 0, done.error
    assert "step 1/4" in done.error  # nothing was gone on with
    assert all(path.read_text() == "3" for path in theirs)


def test_a_state_of_unknown_origin_is_not_gone_on_with(guard: Command, calls: Path, tmp_path: Path):
    place = tmp_path / "work" / "face-presentation-own"
    place.mkdir(parents=True)
    (place / "state.pt").write_text("3")
    done = train(guard, calls, "--work", str(tmp_path / "work"))
    assert done.status == 1
    assert "expected no state of unknown origin, got state.pt" in done.error
    assert (place / "state.pt").read_text() == "3"


def test_nothing_to_go_on_with_is_told(guard: Command, calls: Path):
    done = train(guard, calls, "--resume")
    assert done.status == 1
    assert "expected an unfinished run to go on with, got none" in done.error


def test_a_note_that_cannot_be_read_is_told(guard: Command, calls: Path, tmp_path: Path):
    unfinished(tmp_path, '{"engine":')
    done = train(guard, calls, "--resume")
    assert done.status == 1
    assert "run.json: expected the note of an unfinished run, got: " in done.error


def test_an_engine_that_could_not_be_placed_is_placed_by_a_second_try(
    guard: Command, calls: Path, tmp_path: Path
):
    (tmp_path / "file").write_text("")
    done = train(guard, calls, "--out", str(tmp_path / "file"))
    assert done.status == 1
    assert "expected a folder that can be written" in done.error
    for _ in range(2):
        assert train(guard, calls, "--resume", "--out", str(tmp_path / "file")).status == 1
    done = train(guard, calls, "--resume", "--out", str(tmp_path / "engines"))
    assert done.status == 0, done.error
    assert [path.name for path in (tmp_path / "engines").iterdir()] == ["face-presentation-own"]


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (
            "model.onnx",
            "face-presentation.txt: expected the figures of the recipe of face-presentation, got none",
        ),
        ("face-presentation.txt", "expected the engine that the recipe made, got none"),
    ],
)
def test_what_a_recipe_did_not_leave_is_told(
    guard: Command, package: Path, calls: Path, left: str, told: str
):
    recipe = "import pathlib, sys; (pathlib.Path(sys.argv[sys.argv.index('--work') + 1]) / {!r}).touch()"
    (package / "_engines" / "face-presentation" / "recipe.py").write_text(recipe.format(left))
    done = train(guard, calls)
    assert done.status == 1
    assert told in done.error
    assert not locate.user_root().exists()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--name", "face-presentation"), "expected the name of no engine that there is"),
        (("--name", "../x"), "expected letters, digits"),
    ],
)
def test_names_that_would_hide_another_are_refused(
    guard: Command, calls: Path, more: tuple[str, ...], told: str
):
    done = train(guard, calls, *more)
    assert done.status == 1
    assert told in done.error


def test_a_second_engine_of_one_name_is_refused(guard: Command, calls: Path, tmp_path: Path):
    out = ("--out", str(tmp_path / "engines"))
    done = train(guard, calls, *out)
    assert f'engines_dir = "{tmp_path / "engines"}"' in done.error
    assert "choose another" in train(guard, calls, *out).error


def test_too_little_is_told_before_anything_runs(guard: Command, calls: Path):
    done = guard("train", "--data", str(calls), "--engine", "face-presentation")
    assert done.status == 1
    assert "200 bona fide pictures" in done.error


def test_only_engines_with_a_recipe_can_be_trained(guard: Command, package: Path, calls: Path):
    (package / "_engines" / "face-presentation" / "recipe.py").unlink()
    assert "only engines with a recipe" in train(guard, calls).error


def test_the_data_are_looked_at_before_anything_is_to_be_installed(
    guard: Command, calls: Path, monkeypatch: pytest.MonkeyPatch
):
    def lacking(_name: str, _to: str) -> None:
        msg = "expected torch to train, got none"
        raise EnvironmentProblem(msg)

    monkeypatch.setattr(command, "require_extra", lacking)
    (calls / "p0.jpg").rename(calls / "away.jpg")
    assert "expected a file, got 'p0.jpg'" in train(guard, calls).error
    (calls / "away.jpg").rename(calls / "p0.jpg")
    done = train(guard, calls)
    assert done.error.splitlines()[-1] == "guard: expected torch to train, got none"
    assert "30 persons" in done.error
