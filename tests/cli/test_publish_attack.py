"""``guard publish --attack``: a source's person through a made attack, to a real node; wrong use is told."""

import asyncio
import json
import threading
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest

from guard.cli.demo.pictures import astronaut, talking_person
from guard.cli.publish.attack import (
    MOST_PIXELS,
    Attack,
    UnusableMaterial,
    listed,
    open_attack,
    read_still,
)
from guard.cli.publish.run import Ended, Order, broadcast
from guard.config import FaceSettings
from guard.media.frames import picture_of
from guard.media.sources import open_clip
from guard.simulate.testing.species import SPECIES, find_species
from tests.support.clips import write_clip, write_picture
from tests.support.command import Command
from tests.support.media import LOOPBACK
from tests.support.served import ran, served

pytestmark = pytest.mark.model

FACES = FaceSettings()


def opened(source: Path, name: str, face: Path | None = None, at: float | None = None):
    return open_attack(str(source), Attack(find_species(name), face, at), threading.Event())


def first_pictures(clip: Path, path: Path, count: int, blank: int = 0) -> Path:
    """The first ``count`` pictures of a clip, then ``blank`` ones that show nobody."""
    nobody = av.VideoFrame.from_ndarray(np.full((144, 176, 3), 90, np.uint8), "rgb24")
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 176, 144, "yuv420p", 4_000_000
        for frame in islice(open_clip(clip).frames(), count):
            output.mux(stream.encode(picture_of(frame)))
        for number in range(blank):
            nobody.pts, nobody.time_base = count + number, stream.codec_context.time_base
            output.mux(stream.encode(nobody))
        output.mux(stream.encode(None))
    return path


def test_a_clips_person_is_replayed_in_time():
    made = opened(talking_person(), "phone-replay")
    assert made.title == "carphone_pristine.mp4 as phone-replay:test"
    assert made.size == (176, 144)
    frames = list(islice(made.frames, 12))
    assert all((frame.width, frame.height) == made.size for frame in frames)
    assert frames[0].pts == 0.0
    assert frames[-1].pts == pytest.approx(11 / made.fps, abs=0.05)


def test_a_picture_is_enough_for_a_print_and_is_made_small_enough():
    made = opened(astronaut(), "bent-print")
    assert made.size[0] * made.size[1] <= MOST_PIXELS
    assert made.fps == 30.0
    assert next(made.frames).height == made.size[1]


def test_who_is_not_there_cannot_be_an_attacker(tmp_path: Path):
    with pytest.raises(UnusableMaterial, match="expected a person whose face can be seen"):
        opened(write_clip(tmp_path / "clip.mp4", 4), "monitor-replay")
    with pytest.raises(UnusableMaterial, match="expected a photo in which a face"):
        read_still(write_picture(tmp_path / "photo.png"), FACES)


def test_a_picture_is_no_clip():
    with pytest.raises(UnusableMaterial, match="give a video"):
        opened(astronaut(), "looped-clip")
    with pytest.raises(UnusableMaterial, match="give a video"):
        opened(astronaut(), "photo-in-hand", at=5.0)


def test_a_clip_too_short_for_its_attack_is_told_before_anything_is_sent(tmp_path: Path):
    with pytest.raises(UnusableMaterial, match=r"short\.mp4: LoopedClip: .*give a longer clip"):
        opened(first_pictures(talking_person(), tmp_path / "short.mp4", 10), "faded-loop")


def test_the_list_names_every_species():
    lines = listed().splitlines()
    assert [line.split()[0] for line in lines] == [name.removesuffix(":test") for name in SPECIES]
    assert [line.endswith("Needs --face.") for line in lines if line.startswith("face-swap")] == [True]


def test_an_attack_that_begins_after_all_that_shows_a_face_is_told(tmp_path: Path):
    clip = first_pictures(talking_person(), tmp_path / "left.mp4", 30, blank=60)
    assert opened(clip, "phone-replay", at=2.5).note == (
        "left.mp4: its longest stretch with a face, 1.0 s, goes back and forth "
        "until phone-replay:test begins at 2.5 s"
    )


@pytest.mark.parametrize("at", [None, 2.0])
def test_nothing_is_told_of_an_attack_that_begins_before(at: float | None):
    assert opened(talking_person(), "phone-replay", at=at).note == ""


@pytest.mark.parametrize("arguments", [("--attack", "list", "--json"), ("--json", "--attack", "list")])
def test_the_list_is_json_where_that_is_asked_for(guard: Command, arguments: tuple[str, ...]):
    done = guard("publish", *arguments)
    assert done.status == 0
    listing = {one["name"]: one for one in json.loads(done.out)}
    assert list(listing) == [name.removesuffix(":test") for name in SPECIES]
    assert listing["face-swap"]["needs_face"] is True
    assert listing["mid-call-switch"]["begins_s"] == 8.0
    assert listing["beauty-filter"]["family"] is None
    assert done.out.count("\n") == 1


def test_the_list_can_be_asked_for_alone(guard: Command):
    done = guard("publish", "--attack", "list")
    assert done.status == 0
    assert "monitor-replay" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--attack", "nope"], "expected the name of a species"),
        (["--attack", "face-swap"], "give --face PHOTO"),
        (["--attack", "phone-replay", "--loop"], "leave out --loop"),
        (
            ["--attack", "phone-replay", "--attack-at", "5", "--seconds", "5"],
            "expected more than the 5 s after which the attack begins, got 5",
        ),
        (
            ["--attack", "mid-call-switch", "--face", "photo.png", "--seconds", "3"],
            "expected more than the 8 s after which the attack begins, got 3",
        ),
        (["--face", "photo.png"], "belong to --attack"),
        (["--attack-at", "3"], "belong to --attack"),
    ],
)
def test_wrong_use_is_told(guard: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str):
    monkeypatch.setenv("COLUMNS", "300")
    done = guard("publish", "missing.mp4", "--to", "http://h/whip/r", "--token", "a.b.c", *arguments)
    assert done.status == 2
    assert words in done.error


async def test_a_source_without_a_face_is_wrong_use(tmp_path: Path):
    clip = await asyncio.to_thread(write_clip, tmp_path / "clip.mp4", 4)
    arguments = ("publish", str(clip), "--to", "http://h/whip/r", "--token", "a.b.c")
    done = await ran(tmp_path, *arguments, "--attack", "phone-replay")
    assert done.status == 2
    assert "whose face can be seen" in " ".join(done.error.replace("│", " ").split())


async def test_an_attack_is_sent_to_a_node(tmp_path: Path):
    species = find_species("face-swap")
    attack = Attack(species, await asyncio.to_thread(astronaut), 0.5)
    clip = str(await asyncio.to_thread(talking_person))
    titles: list[str] = []
    async with served(tmp_path) as there:
        outcome = await broadcast(
            Order(clip, there.whip, there.token(), seconds=1.0, attack=attack),
            asyncio.Event(),
            lambda _: None,
            greet=lambda pictures, _: titles.append(pictures.title),
            ice=LOOPBACK,
        )
    assert outcome.ended is Ended.TIME
    assert outcome.sent > 10
    assert titles == ["carphone_pristine.mp4 as face-swap:test"]


async def test_the_command_tells_of_an_attack_behind_the_end_of_the_source(tmp_path: Path):
    source = await asyncio.to_thread(talking_person)
    clip = await asyncio.to_thread(first_pictures, source, tmp_path / "short.mp4", 15)
    async with served(tmp_path) as there:
        arguments = ("publish", str(clip), "--to", there.whip, "--token", there.token())
        done = await ran(
            tmp_path, *arguments, "--attack", "phone-replay", "--attack-at", "0.7", "--seconds", "0.8"
        )
    assert done.status == 0, done.error
    assert "short.mp4: its longest stretch with a face, 0.5 s, goes" in done.error
    assert "until phone-replay:test begins at 0.7 s" in done.error
