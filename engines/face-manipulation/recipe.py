r"""Makes face-manipulation again: MobileNetV2 on swaps beside their originals, blends, generated faces.

    python engines/face-manipulation/recipe.py --data ../shared/data --out engines/face-manipulation \
        --work /tmp/caches

About 75 minutes on two cores (not yet measured in one go); ``--quick`` takes three minutes and only
shows that it runs. Caches and the state that an interrupted run goes on from lie in ``--work``, which
holds faces: keep it out of the repository. ``--without FAMILY`` leaves a family of attacks out, to see
what the others teach of it; ``--bona-fide-only`` leaves out all that somebody else made, as a team with
nothing but clean faces would.
"""

import argparse
import sys
from collections.abc import Collection, Mapping, Sequence
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
from _shared.faces import face_within, frame, load_faces, window
from _shared.pairs import FAMILIES, PAIRS, Corpus, Pool, Rng, mixed

from guard.simulate.training.blend import landmark_swap, self_blend
from guard.simulate.training.degrade import Call, beautified, carried, degrade
from guard.simulate.training.pictures import Mask, Picture, Points, chance, resize
from guard.simulate.training.reenact import reenacted

CANVAS_SCALE = 1.2
CANVAS_PX = 224
CARD = artefact.Card(
    name="face-manipulation",
    version="0.2.0",
    task="manipulation",
    licence="research use only; the recipe is Apache-2.0, these weights are not",
    data_terms="research use only: trained on DFDC crops and FFHQ/StyleGAN pictures,"
    " started from ImageNet weights",
    size=128,
    scale=1.0,
)
SEED = 20
FRAMED_PX = 200
MIX = {"dfdc": 7, "self-blends": 4, "landmark-swaps": 4, "stylegan": 2}
"""Attacks in each batch of 34, each beside its own base, the last beside a photograph of somebody."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A cycle of training: how long, how fast, at how many pixels, through how poor a call."""

    number: int
    name: str
    steps: int
    peak_rate: float
    size: int
    strength: tuple[float, float]
    """Largest of the poorer two thirds of the calls, at the start and from the middle of the phase on."""
    smallest_px: int
    mix: Mapping[str, int]
    photographs: float
    """Share of the bona fide faces that are drawn from FFHQ."""
    smoothing: float
    """How far from 0 and 1 the answers lie that the net learns to give."""
    live: bool
    """Whether the codec sees a picture that moves, at times beautified, or a still one."""

    def call(self, step: int, rng: Rng) -> Call:
        """A call of this step: one in three is good, the others rougher and rougher until half time."""
        low, high = self.strength
        largest = low + (high - low) * min(1.0, 2 * step / self.steps)
        strength = 0.1 if chance(rng, 0.35) else rng.uniform(0.1, largest)
        return Call(strength, self.smallest_px, FRAMED_PX)


PHASES = (
    Phase(0, "broad", 3400, 1e-3, 128, (0.15, 0.35), 80, MIX, photographs=0.15, smoothing=0.05, live=False),
    # more pixels once the net knows what to look for
    Phase(1, "fine", 1300, 4e-4, 160, (0.35, 0.7), 56, MIX, photographs=0.15, smoothing=0.05, live=False),
    # as a call carries faces, and with answers that may be certain
    Phase(
        number=2,
        name="live",
        steps=3000,
        peak_rate=5e-4,
        size=128,
        strength=(0.3, 0.65),
        smallest_px=50,
        mix={"dfdc": 8, "self-blends": 3, "landmark-swaps": 4, "stylegan": 2},
        photographs=0.25,
        smoothing=0.0,
        live=True,
    ),
)


def read_corpus(root: Path, work: Path, most: int | None) -> Corpus:
    """The three folders, or what plays their roles; a team of its own may have no attacks."""
    load = partial(
        load_faces, root, scale=CANVAS_SCALE, cache=work, most=most, task=CARD.task, side=CANVAS_PX
    )
    attacks = load("faces/dfdc_crops/attack", needed=False)
    return Corpus(load("faces/dfdc_crops/bona_fide"), attacks, load("faces/ffhq_stylegan"))


def framed(rng: Rng) -> tuple[float, tuple[float, float], bool]:
    """Zoom, shift and whether mirrored: the slack of a tracker."""
    zoom = CARD.scale / CANVAS_SCALE * rng.uniform(0.88, 1.12)
    return zoom, (rng.uniform(-0.04, 0.04), rng.uniform(-0.04, 0.04)), chance(rng, 0.5)


def shown(canvas: Picture, call: Call, rng: Rng, size: int = CARD.size, *, live: bool = False) -> Picture:
    """A canvas as the net sees it in a call: framed with some slack, degraded, ``size`` px."""
    zoom, shift, flip = framed(rng)
    seen = frame(canvas, FRAMED_PX, zoom, shift, flip=flip)
    if chance(rng, 0.3 * call.strength):  # a camera of few pixels, or a zoom that has none
        seen = resize(resize(seen, *[int(rng.integers(40, 100))] * 2), FRAMED_PX, FRAMED_PX)
    if live and chance(rng, 0.2):
        seen = beautified(seen, rng)
    return degrade(seen, size, call, rng, codec.recode_moving if live else codec.recode)


def cells(mask: Mask, rng: Rng, size: int) -> NDArray[np.float32]:
    """The mask of a canvas shown with the same draws: float32 (size / 16, size / 16)."""
    zoom, shift, flip = framed(rng)
    if np.isnan(mask).any():
        return np.full((size // 16, size // 16), np.nan, np.float32)
    seen = frame(np.rint(mask * 255).astype(np.uint8), size, zoom, shift, flip=flip)
    return cv2.resize(seen, (size // 16, size // 16), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def training_batch(corpus: Corpus, pool: Pool, mix: Sequence[str], phase: Phase, step: int) -> fitting.Batch:
    """The pairs of a step, one for each name in ``mix``."""
    rng = np.random.default_rng((SEED, phase.number, step))
    pictures, masks = [], []
    see = partial(shown, size=phase.size, live=phase.live)
    for family in mix:
        pair, seed = PAIRS[family](corpus, pool, rng), int(rng.integers(2**32))
        for canvas, mask, other in (
            (pair.base, np.zeros_like(pair.mask), 0),
            (pair.attack, pair.mask, 0 if pair.same_call else 1),
        ):
            call = phase.call(step, np.random.default_rng(seed + other))
            pictures.append(see(canvas, call, np.random.default_rng((seed, other))))
            masks.append(cells(mask, np.random.default_rng((seed, other)), phase.size))
    labels = np.tile(np.array([0, 1], np.float32), len(mix))
    return fitting.Batch(np.stack(pictures), labels, np.stack(masks))


def held_out_trials(corpus: Corpus, most: int) -> list[trials.Trial]:
    """Unseen people, clean and in a call, for each kind of attack."""
    pool, made = replace(corpus.pool(held_out=True), photographs=0.0), []
    for name, strength in (("clean", 0.0), ("call", 0.7)):
        rng = np.random.default_rng(SEED + 1)
        show = partial(shown, call=Call(strength, 48, FRAMED_PX), rng=rng)
        bona_fide = np.stack(
            [show(corpus.bona_fide.pictures[i]) for i in rng.permutation(pool.dfdc_bona_fide)[:most]]
        )
        drawn = [corpus.person(pool, rng)[:2] for _ in range(most)]
        others = [corpus.person(pool, rng)[:2] for _ in range(most)]
        attacks = {
            "swaps of the data": [corpus.swaps.pictures[i] for i in rng.permutation(pool.dfdc_attack)[:most]],
            "self-blends": [self_blend(*one, rng)[0] for one in drawn],
            "landmark swaps": [
                landmark_swap(*one, *other, rng)[0] for one, other in zip(drawn, others, strict=True)
            ],
        }
        for kind, canvases in attacks.items():
            if not canvases:  # none among a team's own pictures
                continue
            made.append(trials.Trial(f"{kind}, {name}", bona_fide, np.stack([show(one) for one in canvases])))
        if len(pool.stylegan):
            photographs = np.stack([show(corpus.ffhq.pictures[i]) for i in pool.ffhq])
            generated = np.stack([show(corpus.ffhq.pictures[i]) for i in pool.stylegan])
            made.append(trials.Trial(f"StyleGAN against FFHQ, {name}", photographs, generated))
        bent = np.stack([show(reenacted(*one, rng)) for one in drawn])
        made.append(trials.Trial(f"reenactments, never learned, {name}", bona_fide, bent))
    return made


def graded(corpus: Corpus, left_out: Collection[str], count: int) -> list[trials.Drawn]:
    """Unseen people at all sizes and qualities of a call, half of them attacked as in training."""
    pool = corpus.pool(held_out=True)
    draw = partial(unseen_face, corpus, pool, mixed(MIX, pool, left_out))
    return trials.graded(count, CANVAS_PX / CANVAS_SCALE, SEED + 2, draw)


def unseen_face(corpus: Corpus, pool: Pool, mix: Sequence[str], face_px: float, rng: Rng) -> trials.Drawn:
    """A crop of an unseen person whose face has about this size in a call.

    The bona fide picture of a pair of two persons is taken to lie as the attack does.
    """
    attack = chance(rng, 0.5)
    pair = PAIRS[str(rng.choice(mix))](corpus, pool, rng)
    px = trials.framed_px(face_px, CARD.scale)
    canvas, (zoom, shift, flip) = pair.attack if attack else pair.base, framed(rng)
    face = face_within(pair.points, window(canvas.shape[0], zoom, shift), px, flip=flip)
    crop = frame(canvas, px, zoom, shift, flip=flip)
    sent = carried(crop, Call(rng.random(), px, px), rng, codec.recode_moving)
    return trials.Drawn(sent, face, attack, pair.who)


def call_trials(data: Path, corpus: Corpus, frames: int) -> list[trials.CallTrial]:
    """Clips of people in no training set, at the sizes and bitrates of a call."""
    made: list[trials.CallTrial] = []
    pool, learned = corpus.pool(held_out=True), set(corpus.bona_fide.group[~corpus.bona_fide.held_out])
    for face_px, kbit_s in ((64, 300), (96, 400), (130, 600)):
        clips = [clip for clip in calls.read_clips(data, face_px, frames) if clip.group not in learned]
        if not clips:
            return made
        plain = [(clip.name, calls.crops(clip, CARD.scale, CARD.size, kbit_s)) for clip in clips]
        swapped = [
            (clip.name, calls.crops(clip, CARD.scale, CARD.size, kbit_s, swap_in(corpus, pool, index)))
            for index, clip in enumerate(clips)
        ]
        sets = (*calls.stacked(plain), *calls.stacked(swapped))
        made.append(trials.CallTrial(f"{face_px} px, VP8 {kbit_s} kb/s", face_px, *sets))
    return made


def swap_in(corpus: Corpus, pool: Pool, index: int) -> calls.Alter:
    """The training variant of a swap held for a whole clip: one source, one mask shape, one seed."""
    source, points, _ = corpus.person(pool, np.random.default_rng(SEED + index))

    def alter(picture: Picture, at: Points) -> Picture:
        return landmark_swap(picture, at, source, points, np.random.default_rng(SEED + index))[0]

    return alter


def main() -> None:
    """Read, train, calibrate, write."""
    arguments = parse()
    torch.manual_seed(SEED)
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(1)
    work, quick = arguments.work, arguments.quick
    card = replace(CARD, name=arguments.name)
    arguments.out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    corpus = read_corpus(arguments.data, work, 200 if quick else None)
    pool, done = corpus.pool(held_out=False), 0
    left_out = {*arguments.without, *(("dfdc", "stylegan") if arguments.bona_fide_only else ())}
    calibrating = graded(corpus, left_out, 300 if quick else 4000)
    unseen = held_out_trials(corpus, 40 if quick else 400)
    in_calls = call_trials(arguments.data, corpus, 8 if quick else 40)
    print("held-out sets made", flush=True)

    def check(step: int, judge: trials.Judge, net: nn.Module | None) -> None:
        trust, lines = trials.report(judge, calibrating, unseen, in_calls, card)
        print(*lines, sep="\n", flush=True)
        if net is None:
            artefact.describe(card, trust, arguments.out)
        else:
            artefact.write(net, card, trust, arguments.out)
        (work / f"{arguments.name}.txt").write_text("\n".join([f"after {step} steps", *lines]) + "\n")

    if arguments.calibrate:
        check(0, artefact.judge(arguments.out / "model.onnx"), None)
        return
    net: nn.Module = nets.MobileNetV2()
    nets.start_from_imagenet(net)
    for whole in PHASES:
        phase = replace(whole, steps=10 if quick else round(whole.steps * arguments.share))
        steps, mix = phase.steps, mixed(phase.mix, pool, left_out)
        pairs = ", ".join(f"{mix.count(name)} {name}" for name in FAMILIES)
        print(f"phase {phase.name}, each batch: {pairs}", flush=True)
        plan = fitting.Plan(
            steps,
            phase.peak_rate,
            SEED,
            10 if quick else 850,
            smoothing=phase.smoothing,
            of=f"{pairs}; {replace(phase, mix={})}",
        )
        drawn = replace(pool, photographs=phase.photographs)
        make = partial(training_batch, corpus, drawn, mix, phase)

        end = done + steps if whole is PHASES[-1] else None

        def look(step: int, averaged: nn.Module, before: int = done, end: int | None = end) -> None:
            judge = partial(fitting.logits, averaged)
            if before + step == end:
                check(end, judge, averaged)
            else:
                print(*trials.summaries(judge, unseen), sep="\n", flush=True)

        net = fitting.fit(net, make, plan, work / f"{arguments.name}-{phase.name}.pt", look)
        done += steps


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
    parser.add_argument("--name", default=CARD.name, help="of the engine, as its folder is called")
    parser.add_argument(
        "--threads", type=int, default=1, help="torch threads; a second one pays only on idle cores"
    )
    parser.add_argument(
        "--without", action="append", default=[], choices=FAMILIES, help="leave a family of attacks out"
    )
    parser.add_argument("--bona-fide-only", action="store_true", help="learn from what we made ourselves")
    parser.add_argument("--share", type=float, default=1.0, help="of the steps of the whole plan")
    parser.add_argument(
        "--calibrate", action="store_true", help="only calibrate the model.onnx in --out anew"
    )
    parser.add_argument("--quick", action="store_true", help="a few steps on a few pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
