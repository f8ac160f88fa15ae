r"""Makes face-presentation again: the shallow part of MobileNetV2 on made prints, cards and replays of faces.

    python engines/face-presentation/recipe.py --data ../shared/data --out engines/face-presentation \
        --work /tmp/caches

About 30 minutes on two cores; ``--quick`` takes three minutes and only shows that it runs. Caches and the
state that an interrupted run goes on from lie in ``--work``, which holds faces: keep it out of the
repository.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from _shared import artefact, calls, codec, fitting, nets, trials
from _shared.corpus import cut, face_box
from _shared.faces import CANVAS_PX, Faces, face_within, load_faces, tightened

from guard.core.geometry import Box
from guard.simulate.training import present
from guard.simulate.training.degrade import Call, carried, degrade
from guard.simulate.training.persons import person_mask, surrounded
from guard.simulate.training.pictures import chance, to_bytes
from guard.simulate.training.scene import place

CANVAS_SCALE = 2.2
CARD = artefact.Card(
    name="face-presentation",
    version="0.2.1",
    task="presentation",
    licence="research use only; the recipe is Apache-2.0, these weights are not",
    data_terms="research use only: trained on FFHQ/StyleGAN pictures, DFDC crops, clips of LivePortrait"
    " and VideoReTalking and crops of stock video, started from ImageNet weights",
    size=128,
    scale=1.9,
)
CALL_PX = (84, 144)
"""Sides of the crop in the calls that are learned from: faces of 44 to 76 px, and no larger net input."""
CELL_PX = 16
"""Side of the cells of which the net learns whether they show an instrument."""
RAMP_SHARE = 0.5
SEED = 41
SPECIES = ("photo", "telephone", "monitor", "photo", "card", "telephone", "monitor")
"""Attacks of a batch, in turn."""

Rng = np.random.Generator
Canvas = NDArray[np.uint8]
Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Person:
    """A bona fide picture with its surroundings, where the face is, who it is."""

    canvas: Canvas
    points: Points
    name: str
    mask: Canvas | None = None
    """255 on the person; None where nobody looked for it."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """People before a camera: with their surroundings, in clips, and as tight crops; and recorded replays."""

    portraits: Faces
    masks: NDArray[np.uint8]
    crops: Faces
    clips: list[Person]
    recorded: Faces

    def person(self, rng: Rng, *, held_out: bool) -> Person:
        """Somebody from either side of the split; those in clips are learned from only."""
        if self.clips and not held_out and chance(rng, 0.2):
            return self.clips[int(rng.integers(len(self.clips)))]
        if chance(rng, 0.25):
            return self._placed(self._of(self.crops, None, rng, held_out=held_out), rng, held_out=held_out)
        return self._of(self.portraits, self.masks, rng, held_out=held_out)

    def _placed(self, person: Person, rng: Rng, *, held_out: bool) -> Person:
        """Half of the tight crops fade into somebody else's surroundings, whatever is then made of them."""
        if chance(rng, 0.5):
            return person
        others = np.flatnonzero(self.portraits.held_out == held_out)
        behind = np.asarray(self.portraits.pictures[rng.choice(others)])
        around = place(behind.shape[:2], behind, rng)
        return replace(person, canvas=surrounded(person.canvas, person.points, around, rng))

    @staticmethod
    def _of(faces: Faces, masks: Canvas | None, rng: Rng, *, held_out: bool) -> Person:
        at = rng.choice(np.flatnonzero(faces.held_out == held_out))
        mask = None if masks is None else masks[at]
        return Person(np.asarray(faces.pictures[at]), faces.points[at], str(faces.group[at]), mask)

    def replays(self, *, attack: bool, held_out: bool) -> NDArray[np.intp]:
        """Rows of ``recorded``; a set that names no persons is learned from only, as nobody can split it."""
        named = len(np.unique(self.recorded.group)) > 1
        kept = self.recorded.held_out & named
        return np.flatnonzero((self.recorded.attack == attack) & (kept == held_out))

    def as_shot(self, at: int) -> present.Shot:
        """A recorded crop as it is."""
        picture = np.asarray(self.recorded.pictures[at])
        mask = np.full(picture.shape[:2], np.float32(self.recorded.attack[at]))
        return present.Shot(picture, self.recorded.points[at], mask)


def bona_fide(person: Person, behind: Canvas, rng: Rng) -> present.Shot:
    """The person in front of the camera, ``behind`` in what may be their background."""
    mask = None if person.mask is None else person.mask.astype(np.float32) / 255
    return present.bona_fide(person.canvas, person.points, rng, behind, mask)


def attacked(person: Person, species: str, behind: Canvas, rng: Rng) -> present.Shot:
    """The person on an instrument, ``behind`` in what may stand behind it."""
    return present.ATTACKS[species](person.canvas, person.points, rng, behind)


def shown(shot: present.Shot, call: Call, rng: Rng) -> Canvas:
    """A shot as the net sees it in a call."""
    return degrade(framed(shot, rng)[0], CARD.size, call, rng, codec.recode)


def framed(shot: present.Shot, rng: Rng, framed_px: int = 144) -> tuple[Canvas, NDArray[np.float32], Box]:
    """A crop of a shot, the share of the instrument in each cell of 16 px of the net's input, and the face.

    Some lose their surroundings, whatever they show.
    """
    layers = [shot.picture, to_bytes(shot.mask * 255)]
    if chance(rng, 0.16):
        factor = rng.uniform(0.9, 1.3)
        layers = [tightened(layer, shot.points, factor) for layer in layers]
    plain = face_box(shot.points, CARD.scale * rng.uniform(0.85, 1.1))
    x, y = plain.width * rng.uniform(-0.04, 0.04, 2)
    box = Box(plain.x1 + x, plain.y1 + y, plain.x2 + x, plain.y2 + y)
    flips = chance(rng, 0.5)
    seen, mask = (cut(layer, box, framed_px)[:, :: -1 if flips else 1] for layer in layers)
    picture = equalised(seen, rng) if chance(rng, 0.15) else np.ascontiguousarray(seen)
    cells = cv2.resize(mask, (CARD.size // CELL_PX, CARD.size // CELL_PX), interpolation=cv2.INTER_AREA)
    return picture, cells.astype(np.float32) / 255, face_within(shot.points, box, framed_px, flip=flips)


def equalised(picture: Canvas, rng: Rng) -> Canvas:
    """The picture with a brightness, contrast and cast that tell nothing of where it came from."""
    values = picture.astype(np.float32)
    mean, spread = values.mean((0, 1)), values.std((0, 1)) + 1
    wanted = rng.uniform(75, 150) + rng.normal(0, 6, 3), rng.uniform(28, 60) * rng.uniform(0.9, 1.1, 3)
    return to_bytes((values - mean) / spread * wanted[1] + wanted[0])


def colourless(shot: present.Shot, rng: Rng) -> present.Shot:
    """A recorded crop, mostly without the colours that would give it away."""
    picture = equalised(shot.picture, rng) if chance(rng, 0.85) else shot.picture
    return present.Shot(picture, shot.points, shot.mask)


def training_batch(corpus: Corpus, call: Call, rng: Rng) -> fitting.Batch:
    """32 crops: 16 bona fide and 16 attacks, half of these of the same people; 2 of each were recorded."""
    people = [corpus.person(rng, held_out=False) for _ in range(24)]
    others = [people[at].canvas for at in rng.permutation(24)]
    shots = [bona_fide(person, other, rng) for person, other in zip(people[:16], others, strict=False)]
    for index, (person, other) in enumerate(zip(people[8:], others[8:], strict=True)):
        shots.append(attacked(person, SPECIES[index % len(SPECIES)], other, rng))
    for first, attack in ((0, False), (16, True)):
        rows = corpus.replays(attack=attack, held_out=False)
        for at in range(first, first + min(2, len(rows))):
            shots[at] = colourless(corpus.as_shot(int(rng.choice(rows))), rng)
    pictures, masks = [], []
    for shot in shots:
        picture, cells, _ = framed(shot, rng)
        pictures.append(degrade(picture, CARD.size, call, rng, codec.recode))
        masks.append(cells)
    return fitting.Batch(np.stack(pictures), np.repeat(np.float32((0, 1)), 16), np.stack(masks))


def held_out_trials(corpus: Corpus, most: int) -> list[trials.Trial]:
    """Unseen people with made attacks; and recorded replays of such, where the set names persons."""
    made = []
    for name, strength in (("clean", 0.0), ("call", 0.7)):
        rng, call = np.random.default_rng(SEED + 1), Call(strength, *CALL_PX)
        people = [corpus.person(rng, held_out=True) for _ in range(most)]
        pairs = list(zip(people, [person.canvas for person in people[1:] + people[:1]], strict=True))
        plain = np.stack([shown(bona_fide(p, other, rng), call, rng) for p, other in pairs])
        for species in present.ATTACKS:
            pictures = [shown(attacked(p, species, other, rng), call, rng) for p, other in pairs]
            made.append(trials.Trial(f"made {species}, {name}", plain, np.stack(pictures)))
        made += recorded_trials(corpus, call, name, rng)
    return made


def recorded_trials(corpus: Corpus, call: Call, name: str, rng: Rng) -> list[trials.Trial]:
    """The recorded replays as they are, and with all colours alike."""
    made: list[trials.Trial] = []
    rows = [corpus.replays(attack=attack, held_out=True) for attack in (False, True)]
    if not min(len(side) for side in rows):
        return made
    for kind, change in (("as they are", None), ("colours made alike", equalised)):
        sides = []
        for side in rows:
            cuts = [shown(corpus.as_shot(int(at)), call, rng) for at in side]
            sides.append(np.stack(cuts if change is None else [change(seen, rng) for seen in cuts]))
        made.append(trials.Trial(f"recorded replay, {kind}, {name}", *sides))
    return made


def graded(corpus: Corpus, count: int) -> list[trials.Drawn]:
    """Unseen people at all sizes and qualities of a call, half of them attacked: what calibration learns."""
    return trials.graded(count, CANVAS_PX / CANVAS_SCALE, SEED + 2, partial(unseen_face, corpus))


def unseen_face(corpus: Corpus, face_px: float, rng: Rng) -> trials.Drawn:
    """A crop of an unseen person whose face has about this size in a call."""
    person, other = (corpus.person(rng, held_out=True) for _ in range(2))
    attack = chance(rng, 0.5)
    species = SPECIES[int(rng.integers(len(SPECIES)))]
    shot = attacked(person, species, other.canvas, rng) if attack else bona_fide(person, other.canvas, rng)
    px = trials.framed_px(face_px, CARD.scale)
    call = Call(rng.random(), px, px)
    crop, _, face = framed(shot, rng, px)
    return trials.Drawn(carried(crop, call, rng, codec.recode), face, attack, person.name)


def clip_people(data: Path, frames: int) -> list[Person]:
    """Frames of the clips that may be learned from."""
    found = []
    for clip in calls.read_clips(data, 94, frames):
        if clip.held_out:
            continue
        for picture, points in zip(clip.frames, clip.points, strict=True):
            found.append(Person(*on_canvas(picture, points), clip.name))
    return found


def on_canvas(picture: Canvas, points: Points) -> tuple[Canvas, Points]:
    """The surroundings of a face in a frame as a canvas, and its landmarks there."""
    box = face_box(points, CANVAS_SCALE)
    moved = (points - np.float32((box.x1, box.y1))) * np.float32(CANVAS_PX / box.width)
    return cut(picture, box, CANVAS_PX), moved


def call_trials(data: Path, frames: int) -> list[trials.CallTrial]:
    """Clips in a call, bona fide, and with an instrument held in their place."""
    made: list[trials.CallTrial] = []
    for face_px, kbit_s in ((64, 300), (96, 400), (130, 600)):
        clips = [clip for clip in calls.read_clips(data, face_px, frames) if clip.held_out]
        if not clips:
            return made
        plain = [(clip.name, calls.crops(clip, CARD.scale, CARD.size, kbit_s)) for clip in clips]
        for species in present.ATTACKS:
            attacked = [
                (c.name, calls.crops(c, CARD.scale, CARD.size, kbit_s, held_up(species, index)))
                for index, c in enumerate(clips)
            ]
            name = f"{face_px} px, VP8 {kbit_s} kb/s, made {species}, clips in no training set"
            made.append(trials.CallTrial(name, face_px, *calls.stacked(plain), *calls.stacked(attacked)))
    return made


def held_up(species: str, seed: int) -> calls.Alter:
    """An attack laid over the head in a frame, alike in every frame of a clip."""

    def alter(picture: Canvas, points: Points) -> Canvas:
        canvas, moved = on_canvas(picture, points)
        shot = present.ATTACKS[species](canvas, moved, np.random.default_rng((SEED, seed)), None)
        box = face_box(points, CANVAS_SCALE)
        back = np.array([[box.width / CANVAS_PX, 0, box.x1], [0, box.width / CANVAS_PX, box.y1]])
        size = (picture.shape[1], picture.shape[0])
        return cv2.warpAffine(shot.picture, back, size, picture.copy(), borderMode=cv2.BORDER_TRANSPARENT)

    return alter


def masks_of(faces: Faces, cache: Path) -> NDArray[np.uint8]:
    """Where the person is in each picture, uint8 (n, 160, 160), 255 on them; found once and kept."""
    if not cache.is_file():
        found = [to_bytes(person_mask(p, f) * 255) for p, f in zip(faces.pictures, faces.points, strict=True)]
        np.save(cache, np.stack(found))
    masks: NDArray[np.uint8] = np.load(cache)
    return masks


def read_corpus(data: Path, work: Path, *, quick: bool) -> Corpus:
    """Everything that is learned from or judged by."""
    folders = ("faces/ffhq_stylegan", "faces/dfdc_crops/bona_fide", "presentation/stock_video_replay")
    most = 200 if quick else None
    portraits, crops, recorded = (
        load_faces(data, folder, CANVAS_SCALE, work, most, task=CARD.task) for folder in folders
    )
    masks = masks_of(portraits, work / f"{portraits.name}-masks.npy")
    return Corpus(portraits, masks, crops, clip_people(data, 8 if quick else 60), recorded)


def main() -> None:
    """Read, train, calibrate, write."""
    arguments = parse()
    torch.manual_seed(SEED)
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(1)
    work, quick = arguments.work, arguments.quick
    arguments.out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    corpus = read_corpus(arguments.data, work, quick=quick)
    calibrating = graded(corpus, 300 if quick else 1000)
    unseen = held_out_trials(corpus, 40 if quick else 150)
    in_calls = call_trials(arguments.data, 8 if quick else 24)
    plan = fitting.Plan(arguments.steps, 1e-3, SEED, check_every=10 if quick else arguments.check_every)

    def make(step: int) -> fitting.Batch:
        strength = 0.15 + 0.75 * min(1.0, step / (RAMP_SHARE * plan.steps))
        return training_batch(corpus, Call(strength, *CALL_PX), np.random.default_rng((SEED, step)))

    baseline = trials.baseline(unseen)
    print("held-out sets made", *baseline, sep="\n", flush=True)

    def report(judge: trials.Judge) -> tuple[trials.trust.Trust, list[str]]:
        found, lines = trials.report(judge, calibrating, unseen, in_calls, CARD)
        print(*lines, sep="\n", flush=True)
        return found, lines

    def check(step: int, averaged: nn.Module) -> None:
        found, lines = report(partial(fitting.logits, averaged))
        artefact.write(averaged, CARD, found, arguments.out)
        told = [f"after {step} of {plan.steps} steps", *lines, *baseline]
        (work / "face-presentation.txt").write_text("\n".join(told) + "\n")

    if arguments.calibrate:
        found, _ = report(artefact.judge(arguments.out / "model.onnx"))
        artefact.describe(CARD, found, arguments.out)
        return
    net = nets.MobileNetV2(stages=5, top=384)
    nets.start_from_imagenet(net)
    fitting.fit(net, make, plan, work / "face-presentation.pt", check)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds MANIFEST.tsv")
    parser.add_argument(
        "--out", type=Path, required=True, help="where engine.toml, the models and golden.npz go"
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="caches and training state; faces: not in the repository"
    )
    parser.add_argument("--steps", type=int, help="training steps of 32 crops")
    parser.add_argument("--check-every", type=int, default=400, help="steps between two reports")
    parser.add_argument(
        "--threads", type=int, default=1, help="torch threads; a second one pays only on idle cores"
    )
    parser.add_argument(
        "--calibrate", action="store_true", help="only calibrate the model.onnx in --out anew"
    )
    parser.add_argument("--quick", action="store_true", help="a few steps on a few pictures")
    arguments = parser.parse_args()
    arguments.steps = arguments.steps or (20 if arguments.quick else 1600)
    return arguments


if __name__ == "__main__":
    main()
