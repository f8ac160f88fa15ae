r"""Makes face-presentation again: the shallow part of MobileNetV2 on made photos and replays of faces.

    python engines/face-presentation/recipe.py --data ../shared/data --out engines/face-presentation \
        --work /tmp/caches

About 20 minutes on two cores; ``--quick`` takes three minutes and only shows that it runs. Caches and the
state that an interrupted run goes on from lie in ``--work``, which holds faces: keep it out of the
repository.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from _shared import artefact, calls, codec, figures, fitting, nets, trials
from _shared.corpus import cut, face_box
from _shared.faces import CANVAS_PX, Faces, frame, load_faces, tightened

from guard.simulate.training import present
from guard.simulate.training.degrade import Call, degrade
from guard.simulate.training.pictures import chance

CANVAS_SCALE = 1.7
CARD = artefact.Card(
    name="face-presentation",
    version="0.1.0",
    task="presentation",
    licence="research use only; the recipe is Apache-2.0, these weights are not",
    data_terms="research use only: trained on FFHQ/StyleGAN pictures, DFDC crops and clips of LivePortrait"
    " and VideoReTalking, started from ImageNet weights",
    size=128,
    scale=1.6,
    min_size_px=56,
    full_size_px=120,
)
RAMP_SHARE = 0.5
SEED = 40
HELD_OUT_CLIPS = ("liveportrait_d9", "liveportrait_d10", "vretalk_1")

Rng = np.random.Generator
Canvas = NDArray[np.uint8]
Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Corpus:
    """People before a camera: with their surroundings, in clips, and as tight crops."""

    portraits: Faces
    crops: Faces
    clips: list[tuple[Canvas, Points]]

    def person(self, rng: Rng, *, held_out: bool) -> tuple[Canvas, Points, bool]:
        """A canvas, its landmarks, and whether its surroundings are unknown (a tight crop)."""
        if not held_out and chance(rng, 0.2):
            return *self.clips[int(rng.integers(len(self.clips)))], False
        tight = chance(rng, 0.35)
        faces = self.crops if tight else self.portraits
        at = rng.choice(np.flatnonzero(faces.held_out == held_out))
        return np.asarray(faces.pictures[at]), faces.points[at], tight


def shown(canvas: Canvas, points: Points, call: Call, rng: Rng, *, tight: bool) -> Canvas:
    """A canvas as the net sees it in a call; some lose their surroundings, whatever they show."""
    if tight or chance(rng, 0.15):
        canvas = tightened(canvas, points, rng.uniform(0.9, 1.15))
    zoom = CARD.scale / CANVAS_SCALE * rng.uniform(0.85, 1.1)
    shift = (rng.uniform(-0.05, 0.05), rng.uniform(-0.05, 0.05))
    seen = frame(canvas, 152, zoom, shift, flip=chance(rng, 0.5))
    return degrade(seen, CARD.size, call, rng, codec.recode)


def training_batch(corpus: Corpus, call: Call, rng: Rng) -> tuple[fitting.Pictures, NDArray[np.float32]]:
    """32 crops: 16 bona fide and 16 attacks, half of these made from the same pictures."""
    pictures, labels = [], []
    people = [corpus.person(rng, held_out=False) for _ in range(24)]
    for canvas, points, tight in people[:16]:
        pictures.append(shown(present.bona_fide(canvas, points, rng), points, call, rng, tight=tight))
        labels.append(0)
    for index, (canvas, points, tight) in enumerate(people[8:]):
        attack = present.photo if index % 2 else present.screen
        pictures.append(shown(attack(canvas, points, rng)[0], points, call, rng, tight=tight))
        labels.append(1)
    return np.stack(pictures), np.array(labels, np.float32)


def held_out_trials(corpus: Corpus, recorded: Faces, most: int) -> list[trials.Trial]:
    """Unseen people with made attacks; and the only recorded attack, replays of stock video, never learnt."""
    made = []
    for name, strength in (("clean", 0.0), ("call", 0.7)):
        rng, call = np.random.default_rng(SEED + 1), Call(strength, 76, 208)
        people = [corpus.person(rng, held_out=True) for _ in range(most)]
        plain = np.stack([shown(present.bona_fide(c, p, rng), p, call, rng, tight=t) for c, p, t in people])
        for attack in (present.photo, present.screen):
            pictures = np.stack([shown(attack(c, p, rng)[0], p, call, rng, tight=t) for c, p, t in people])
            kind = f"made {attack.__name__}, {name}"
            made.append(trials.Trial(kind, plain, pictures, calibrates=name == "call"))
        sides = [
            np.stack(
                [shown(recorded.pictures[i], recorded.points[i], call, rng, tight=True) for i in indices]
            )
            for indices in (
                rng.permutation(np.flatnonzero(recorded.attack == attack))[:most] for attack in (False, True)
            )
        ]
        made.append(trials.Trial(f"recorded screen replay, {name}", *sides))
    return made


def clip_canvases(data: Path, frames: int) -> list[tuple[Canvas, Points]]:
    """Frames of the clips that may be learnt from."""
    found = []
    for clip in calls.read_clips(data, 94, frames):
        if clip.name in HELD_OUT_CLIPS or clip.name.startswith("intel"):
            continue
        for picture, points in zip(clip.frames, clip.points, strict=True):
            box = face_box(points, CANVAS_SCALE)
            moved = (points - np.float32((box.x1, box.y1))) * np.float32(CANVAS_PX / box.width)
            found.append((cut(picture, box, CANVAS_PX), moved))
    return found


def call_trials(data: Path, frames: int) -> list[trials.CallTrial]:
    """Clips in a call, bona fide, and with a photo of their first frame or a replay held in their place."""
    made = []
    for face_px, kbit_s in ((64, 300), (96, 400), (130, 600)):
        clips = [clip for clip in calls.read_clips(data, face_px, frames) if clip.name in HELD_OUT_CLIPS]
        plain = [(clip.name, calls.crops(clip, CARD.scale, CARD.size, kbit_s)) for clip in clips]
        for attack in (present.photo, present.screen):
            attacked = [
                (c.name, calls.crops(c, CARD.scale, CARD.size, kbit_s, held_up(attack))) for c in clips
            ]
            name = f"{face_px} px, VP8 {kbit_s} kb/s, made {attack.__name__}, clips in no training set"
            made.append(trials.CallTrial(name, *calls.stacked(plain), *calls.stacked(attacked)))
    return made


def held_up(attack: "type(present.photo)") -> calls.Alter:
    """An attack laid over the head in a frame, alike in every frame of a clip."""

    def alter(picture: Canvas, points: Points) -> Canvas:
        box = face_box(points, CANVAS_SCALE)
        canvas = cut(picture, box, CANVAS_PX)
        moved = (points - np.float32((box.x1, box.y1))) * np.float32(CANVAS_PX / box.width)
        attacked = attack(canvas, moved, np.random.default_rng(SEED))[0]
        back = np.array([[box.width / CANVAS_PX, 0, box.x1], [0, box.width / CANVAS_PX, box.y1]])
        size = (picture.shape[1], picture.shape[0])
        return cv2.warpAffine(attacked, back, size, picture.copy(), borderMode=cv2.BORDER_TRANSPARENT)

    return alter


def trivial_features(pictures: fitting.Pictures) -> NDArray[np.float64]:
    """Mean and spread of each colour, saturation and sharpness, (n, 8): what a net must do better than."""
    values = pictures.astype(np.float32)
    sharpness = [np.log1p(cv2.Laplacian(picture, cv2.CV_32F).var()) for picture in values]
    saturation = (values.max(3) - values.min(3)).mean((1, 2))
    return np.column_stack([values.mean((1, 2)), values.std((1, 2)), saturation, sharpness])


def trivial_baseline(make: fitting.MakeBatch, unseen: list[trials.Trial], batches: int) -> list[str]:
    """AUC of a linear reading of the trivial features, fitted on ``batches`` training batches."""
    drawn = [make(step) for step in range(batches)]
    features = np.concatenate([trivial_features(pictures) for pictures, _ in drawn])
    labels = np.concatenate([labels for _, labels in drawn])
    mean, spread = features.mean(0), features.std(0) + 1e-6
    rows = np.column_stack([(features - mean) / spread, np.ones(len(features))])
    solution = np.linalg.solve(rows.T @ rows + np.eye(rows.shape[1]), rows.T @ (labels * 2 - 1))

    def read(pictures: fitting.Pictures) -> NDArray[np.float64]:
        return (trivial_features(pictures) - mean) / spread @ solution[:-1]

    return [
        f"trivial features on {t.name}: AUC {figures.auc(read(t.bona_fide), read(t.attack)):.3f}"
        for t in unseen
    ]


def main() -> None:
    """Read, train, calibrate, write."""
    arguments = parse()
    torch.manual_seed(SEED)
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(1)
    work, quick = arguments.work, arguments.quick
    arguments.out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    folders = ("faces/ffhq_stylegan", "faces/dfdc_crops/bona_fide", "presentation/stock_video_replay")
    portraits, crops, recorded = (
        load_faces(arguments.data, folder, CANVAS_SCALE, work, 200 if quick else None) for folder in folders
    )
    corpus = Corpus(portraits, crops, clip_canvases(arguments.data, 8 if quick else 40))
    unseen = held_out_trials(corpus, recorded, 40 if quick else 250)
    in_calls = call_trials(arguments.data, 8 if quick else 40)
    plan = fitting.Plan(arguments.steps, 1e-3, SEED, check_every=10 if quick else 400)

    def make(step: int) -> tuple[fitting.Pictures, NDArray[np.float32]]:
        strength = 0.15 + 0.85 * min(1.0, step / (RAMP_SHARE * plan.steps))
        return training_batch(corpus, Call(strength, 76, 208), np.random.default_rng((SEED, step)))

    baseline = trivial_baseline(make, unseen, 10 if quick else 40)
    print("held-out sets made", *baseline, sep="\n", flush=True)

    def check(step: int, averaged: nn.Module) -> None:
        calibration, lines = trials.report(averaged, unseen, in_calls)
        print(*lines, sep="\n", flush=True)
        artefact.write(averaged, CARD, calibration, arguments.out)
        told = [f"after {step} of {plan.steps} steps", *lines, *baseline]
        (work / "face-presentation.txt").write_text("\n".join(told) + "\n")

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
        "--out", type=Path, required=True, help="where engine.toml, model.onnx, golden.npz go"
    )
    parser.add_argument(
        "--work",
        type=Path,
        required=True,
        help="caches and the training state, outside the repository: faces",
    )
    parser.add_argument("--steps", type=int, help="training steps of 32 crops")
    parser.add_argument(
        "--threads", type=int, default=1, help="torch threads; a second one pays only on idle cores"
    )
    parser.add_argument("--quick", action="store_true", help="a few steps on a few pictures")
    arguments = parser.parse_args()
    arguments.steps = arguments.steps or (20 if arguments.quick else 1600)
    return arguments


if __name__ == "__main__":
    main()
