"""``guard analyse`` with its models, over a live person and over test variants of attacks."""

import json
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from itertools import count, islice
from pathlib import Path

import av
import pytest

from guard.cli.demo.pictures import FPS, astronaut, live_swap, talking_person
from guard.config import FaceSettings, Settings
from guard.core.types import Family, Picture, State
from guard.faces.pictures import as_frame
from guard.media.frames import picture_of
from guard.session.offline import open_analyser

pytestmark = pytest.mark.model

SWITCHED_ON = 8.0


def encode(path: Path, pictures: Iterator[Picture], seconds: float) -> Path:
    with av.open(str(path), "w") as container:
        for number, made in enumerate(islice(pictures, round(seconds * FPS))):
            picture = picture_of(as_frame(made, number / FPS))
            if number == 0:
                stream = container.add_stream("libx264", rate=round(FPS))
                stream.width, stream.height, stream.bit_rate = picture.width, picture.height, 600_000
            picture.pts, picture.time_base = number, Fraction(1, round(FPS))
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def run(page: Path, *files: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "guard", "analyse", "--json", "--report", str(page)]
    return subprocess.run([*command, *map(str, files)], capture_output=True, check=False)


def test_a_live_person_raises_nothing_and_two_runs_give_the_same_bytes(tmp_path: Path):
    pages = [tmp_path / "first.html", tmp_path / "second.html"]
    first, second = (run(page, talking_person()) for page in pages)
    assert (first.returncode, first.stderr) == (0, b"")
    assert first.stdout == second.stdout
    assert pages[0].read_bytes() == pages[1].read_bytes()
    found = json.loads(first.stdout)
    assert [face["state"] for face in found["participants"]] == ["bona_fide"]
    assert found["participants"][0]["coverage"] > 0.9
    assert found["participants"][0]["deepfake"] < 0.5
    assert found["guard_alerts"] == []


def test_a_swap_that_is_switched_on_is_raised(tmp_path: Path):
    shown = count()
    pictures = live_swap(
        talking_person(), astronaut(), FaceSettings(), 1, lambda: next(shown) >= SWITCHED_ON * FPS
    )
    finding = open_analyser(Settings()).analyse(encode(tmp_path / "swap.mp4", pictures, 14.0))
    (alert,) = finding.faces[0].alerts
    assert (finding.state, alert.family) == (State.ATTACK, Family.MANIPULATION)
    assert SWITCHED_ON < alert.raised_at < SWITCHED_ON + 5.0
