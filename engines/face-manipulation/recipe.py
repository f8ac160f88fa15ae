r"""Makes face-manipulation again: MobileNetV2 at 128 px on swaps, self-blends, landmark swaps and StyleGAN.

    python engines/face-manipulation/recipe.py --data ../shared/data --out engines/face-manipulation \
        --work /tmp/caches

About an hour on two cores; ``--quick`` takes three minutes and only shows that it runs. Caches and
the state that an interrupted run goes on from lie in ``--work``, which holds faces: keep it out of the
repository.
"""

import argparse
import sys
from dataclasses import dataclass
from functools import partial
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
SEED = 20

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Phase:
    """A cycle of training: how long, how fast, on what, through how poor a call."""

    name: str
    steps: int
    peak_rate: float
    ffhq: float
    """Share of FFHQ among the bona fide faces."""
    mix: tuple[int, int, int, int]
    """Bona fide faces, self-blends (each beside its base), DFDC swaps, landmark swaps; and one StyleGAN."""
    strength: tuple[float, float]
    """Of the call, at the start and from the middle of the phase on."""
    smallest_px: int

    def call(self, step: int) -> Call:
        """The call of a step: rougher and rougher until half time."""
        low, high = self.strength
        return Call(low + (high - low) * min(1.0, 2 * step / self.steps), self.smallest_px)


PHASES = (
    Phase("broad", 2200, 1e-3, 0.125, (10, 5, 7, 4), (0.15, 1.0), 48),
    # what no eye could tell (48 px, JPEG 30) only blurs the labels: milder, and more of what is hard
    Phase("fine", 1000, 6e-4, 0.2, (9, 5, 9, 3), (0.2, 0.6), 64),
)


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

    def person(
        self, pool: Pool, rng: Rng, ffhq: float = 0.125
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """A bona fide face with its landmarks, a share ``ffhq`` of them from FFHQ."""
        faces, among = (self.ffhq, pool.ffhq) if chance(rng, ffhq) else (self.bona_fide, pool.dfdc_bona_fide)
        at = rng.choice(among)
        return faces.pictures[at], faces.points[at]


def shown(canvas: NDArray[np.uint8], call: Call, rng: Rng) -> NDArray[np.uint8]:
    """A canvas as the net sees it in a call: framed with some slack, degraded, 128 px."""
    zoom = CARD.scale / CANVAS_SCALE * rng.uniform(0.88, 1.12)
    shift = (rng.uniform(-0.04, 0.04), rng.uniform(-0.04, 0.04))
    seen = frame(canvas, 144, zoom, shift, flip=chance(rng, 0.5))
    return degrade(seen, CARD.size, call, rng, codec.recode)


def training_batch(
    corpus: Corpus, pool: Pool, phase: Phase, step: int
) -> tuple[fitting.Pictures, NDArray[np.float32]]:
    """32 crops of a step, mixed as the phase says."""
    rng, call = np.random.default_rng((SEED, PHASES.index(phase), step)), phase.call(step)
    bona_fide, blends, swaps, landmark_swaps = phase.mix
    pictures, labels = [], []

    def add(canvas: NDArray[np.uint8], attack: float, source: Rng) -> None:
        pictures.append(shown(canvas, call, source))
        labels.append(attack)

    for _ in range(bona_fide):
        add(corpus.person(pool, rng, phase.ffhq)[0], 0, rng)
    for _ in range(blends):
        base, points = corpus.person(pool, rng, phase.ffhq)
        blended, _mask = self_blend(base, points, rng)
        same = int(rng.integers(2**32))  # base and blend go through one and the same call
        add(base, 0, np.random.default_rng(same))
        add(blended, 1, np.random.default_rng(same))
    for at in rng.choice(pool.dfdc_attack, swaps):
        add(corpus.swaps.pictures[at], 1, rng)
    for _ in range(landmark_swaps):
        target, source = (corpus.person(pool, rng, phase.ffhq) for _ in range(2))
        add(landmark_swap(*target, *source, rng)[0], 1, rng)
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
    pool = corpus.pool(held_out=False)

    def check(step: int, averaged: nn.Module) -> None:
        calibration, lines = trials.report(averaged, unseen, in_calls)
        print(*lines, sep="\n", flush=True)
        artefact.write(averaged, CARD, calibration, arguments.out)
        (work / "face-manipulation.txt").write_text("\n".join([f"after {step} steps", *lines]) + "\n")

    net: nn.Module = nets.MobileNetV2()
    nets.start_from_imagenet(net)
    ends = []
    for phase in PHASES:
        print(f"phase {phase.name}", flush=True)
        steps = 10 if arguments.quick else phase.steps
        plan = fitting.Plan(steps, phase.peak_rate, SEED, check_every=10 if arguments.quick else 250)
        make = partial(training_batch, corpus, pool, phase)
        net = fitting.fit(net, make, plan, work / f"face-manipulation-{phase.name}.pt", check)
        ends.append(net)
    print("mean of both phases", flush=True)
    check(plan.steps, fitting.mean_of(*ends))


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
    parser.add_argument(
        "--threads", type=int, default=1, help="torch threads; a second one pays only on idle cores"
    )
    parser.add_argument("--quick", action="store_true", help="a few steps on a few pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
