"""Makes face-manipulation again: MobileNetV2 at 128 px on swaps, self-blends, landmark swaps and StyleGAN.

    python engines/face-manipulation/recipe.py --data ../shared/data --out engines/face-manipulation

About half an hour on two cores; ``--quick`` takes three minutes and only shows that it runs. Caches and
the state that an interrupted run goes on from lie in ``--work``, which holds faces: keep it out of the
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

from _shared import artefact, calls, codec, fitting, nets, trials
from _shared.faces import Faces, frame, load_faces

from guard.simulate.training.blend import landmark_swap, self_blend
from guard.simulate.training.degrade import Call, degrade
from guard.simulate.training.pictures import chance

CANVAS_SCALE = 1.2
CARD = artefact.Card(
    name="face-manipulation",
    version="0.1.0",
    task="manipulation",
    licence="research use only; the recipe is Apache-2.0, these weights are not",
    data_terms="research use only: trained on DFDC crops and FFHQ/StyleGAN pictures,"
    " started from ImageNet weights",
    size=128,
    scale=1.0,
    min_size_px=48,
    full_size_px=96,
)
RAMP_SHARE = 0.5
SEED = 20

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Pool:
    """Indices to draw from on one side of the split by person."""

    dfdc_bona_fide: NDArray[np.intp]
    dfdc_attack: NDArray[np.intp]
    ffhq: NDArray[np.intp]
    stylegan: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything the recipe reads, and what is drawn from it."""

    bona_fide: Faces
    swaps: Faces
    ffhq: Faces

    def pool(self, *, held_out: bool) -> Pool:
        """The training or the held-out people."""
        return Pool(
            self.bona_fide.where(attack=False, held_out=held_out),
            self.swaps.where(attack=True, held_out=held_out),
            self.ffhq.where(attack=False, held_out=held_out),
            self.ffhq.where(attack=True, held_out=held_out),
        )

    def person(self, pool: Pool, rng: Rng) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """A bona fide face with its landmarks, one in eight of them from FFHQ."""
        faces, among = (self.ffhq, pool.ffhq) if chance(rng, 0.125) else (self.bona_fide, pool.dfdc_bona_fide)
        at = rng.choice(among)
        return faces.pictures[at], faces.points[at]


def shown(canvas: NDArray[np.uint8], call: Call, rng: Rng) -> NDArray[np.uint8]:
    """A canvas as the net sees it in a call: framed with some slack, degraded, 128 px."""
    zoom = CARD.scale / CANVAS_SCALE * rng.uniform(0.88, 1.12)
    shift = (rng.uniform(-0.04, 0.04), rng.uniform(-0.04, 0.04))
    seen = frame(canvas, 144, zoom, shift, flip=chance(rng, 0.5))
    return degrade(seen, CARD.size, call, rng, codec.recode)


def training_batch(
    corpus: Corpus, pool: Pool, call: Call, rng: Rng
) -> tuple[fitting.Pictures, NDArray[np.float32]]:
    """32 crops: 10 bona fide, 5 self-blends, their 5 bases, 7 DFDC swaps, 4 landmark swaps, 1 StyleGAN."""
    pictures, labels = [], []

    def add(canvas: NDArray[np.uint8], attack: float, source: Rng) -> None:
        pictures.append(shown(canvas, call, source))
        labels.append(attack)

    for _ in range(10):
        add(corpus.person(pool, rng)[0], 0, rng)
    for _ in range(5):
        base, points = corpus.person(pool, rng)
        blended, _mask = self_blend(base, points, rng)
        same = int(rng.integers(2**32))  # base and blend go through one and the same call
        add(base, 0, np.random.default_rng(same))
        add(blended, 1, np.random.default_rng(same))
    for at in rng.choice(pool.dfdc_attack, 7):
        add(corpus.swaps.pictures[at], 1, rng)
    for _ in range(4):
        add(landmark_swap(*corpus.person(pool, rng), *corpus.person(pool, rng), rng)[0], 1, rng)
    add(corpus.ffhq.pictures[rng.choice(pool.stylegan)], 1, rng)
    return np.stack(pictures), np.array(labels, np.float32)


def held_out_trials(corpus: Corpus, most: int) -> list[trials.Trial]:
    """Unseen people, clean and in a call, for each kind of attack."""
    pool, made = corpus.pool(held_out=True), []
    for name, strength in (("clean", 0.0), ("call", 0.7)):
        rng = np.random.default_rng(SEED + 1)
        call = Call(strength)
        bona_fide = [corpus.bona_fide.pictures[i] for i in rng.permutation(pool.dfdc_bona_fide)[:most]]
        shown_bona_fide = np.stack([shown(canvas, call, rng) for canvas in bona_fide])
        swaps = [corpus.swaps.pictures[i] for i in rng.permutation(pool.dfdc_attack)[:most]]
        drawn = [corpus.person(pool, rng) for _ in range(most)]
        blends = [self_blend(*one, rng)[0] for one in drawn]
        others = [landmark_swap(*one, *corpus.person(pool, rng), rng)[0] for one in drawn]
        for kind, canvases in (("DFDC swaps", swaps), ("self-blends", blends), ("landmark swaps", others)):
            attacks = np.stack([shown(canvas, call, rng) for canvas in canvases])
            made.append(trials.Trial(f"{kind}, {name}", shown_bona_fide, attacks, calibrates=name == "call"))
        photographs = np.stack([shown(corpus.ffhq.pictures[i], call, rng) for i in pool.ffhq])
        generated = np.stack([shown(corpus.ffhq.pictures[i], call, rng) for i in pool.stylegan])
        made.append(trials.Trial(f"StyleGAN against FFHQ, {name}", photographs, generated))
    return made


def call_trials(data: Path, corpus: Corpus, frames: int) -> list[trials.CallTrial]:
    """Clips of people in no training set, at the sizes and bitrates of a call."""
    made, pool = [], corpus.pool(held_out=True)
    for face_px, kbit_s in ((64, 300), (96, 400), (130, 600)):
        clips = calls.read_clips(data, face_px, frames)
        plain = [(clip.name, calls.crops(clip, CARD.scale, CARD.size, kbit_s)) for clip in clips]
        swapped = [
            (clip.name, calls.crops(clip, CARD.scale, CARD.size, kbit_s, swap_in(corpus, pool, index)))
            for index, clip in enumerate(clips)
        ]
        sets = (*calls.stacked(plain), *calls.stacked(swapped))
        made.append(trials.CallTrial(f"{face_px} px, VP8 {kbit_s} kb/s", *sets))
    return made


def swap_in(corpus: Corpus, pool: Pool, index: int) -> calls.Alter:
    """The training variant of a swap held for a whole clip: one source, one mask shape, one seed."""
    source, points = corpus.person(pool, np.random.default_rng(SEED + index))

    def alter(picture: NDArray[np.uint8], at: NDArray[np.float32]) -> NDArray[np.uint8]:
        return landmark_swap(picture, at, source, points, np.random.default_rng(SEED + index))[0]

    return alter


def main() -> None:
    """Read, train, calibrate, write."""
    arguments = parse()
    torch.manual_seed(SEED)
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(1)
    work, most = arguments.work, 200 if arguments.quick else None
    arguments.out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(
        *(
            load_faces(arguments.data, folder, CANVAS_SCALE, work, most)
            for folder in ("faces/dfdc_crops/bona_fide", "faces/dfdc_crops/attack", "faces/ffhq_stylegan")
        )
    )
    unseen = held_out_trials(corpus, 40 if arguments.quick else 200)
    in_calls = call_trials(arguments.data, corpus, 8 if arguments.quick else 40)
    print("held-out sets made", flush=True)
    plan = fitting.Plan(arguments.steps, 1e-3, SEED, check_every=10 if arguments.quick else 400)
    pool = corpus.pool(held_out=False)

    def make(step: int) -> tuple[fitting.Pictures, NDArray[np.float32]]:
        call = Call(0.15 + 0.85 * min(1.0, step / (RAMP_SHARE * plan.steps)))
        return training_batch(corpus, pool, call, np.random.default_rng((SEED, step)))

    def check(step: int, averaged: nn.Module) -> None:
        calibration, lines = trials.report(averaged, unseen, in_calls)
        print(*lines, sep="\n", flush=True)
        artefact.write(averaged, CARD, calibration, arguments.out)
        (work / "face-manipulation.txt").write_text(
            "\n".join([f"after {step} of {plan.steps} steps", *lines]) + "\n"
        )

    net = nets.MobileNetV2()
    nets.start_from_imagenet(net)
    fitting.fit(net, make, plan, work / "face-manipulation.pt", check)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds MANIFEST.tsv")
    parser.add_argument(
        "--out", type=Path, required=True, help="where engine.toml, model.onnx, golden.npz go"
    )
    parser.add_argument("--work", type=Path, help="caches and the training state; default: OUT/.work")
    parser.add_argument("--steps", type=int, help="training steps of 32 crops")
    parser.add_argument(
        "--threads", type=int, default=1, help="torch threads; a second one pays only on idle cores"
    )
    parser.add_argument("--quick", action="store_true", help="a few steps on a few pictures")
    arguments = parser.parse_args()
    arguments.work = arguments.work or arguments.out / ".work"
    arguments.steps = arguments.steps or (20 if arguments.quick else 2200)
    return arguments


if __name__ == "__main__":
    main()
