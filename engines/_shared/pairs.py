"""Attacks on faces, each beside the bona fide picture that it was made from, drawn for training."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from _shared.faces import Faces
from guard.core.errors import ModelError
from guard.simulate.training.blend import difference_mask, landmark_swap, part_swap, self_blend
from guard.simulate.training.pictures import Mask, Picture, Points, chance

Rng = np.random.Generator
Face = tuple[Picture, Points, str]
"""A picture, its landmarks, and who it is."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Indices to draw from on one side of the split by person, and how."""

    dfdc_bona_fide: NDArray[np.intp]
    dfdc_attack: NDArray[np.intp]
    ffhq: NDArray[np.intp]
    stylegan: NDArray[np.intp]
    photographs: float = 0.15
    """Share of the bona fide faces that are drawn from FFHQ."""


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

    def person(self, pool: Pool, rng: Rng) -> Face:
        """A bona fide face."""
        photograph = chance(rng, pool.photographs)
        faces, among = (self.ffhq, pool.ffhq) if photograph else (self.bona_fide, pool.dfdc_bona_fide)
        at = rng.choice(among)
        return np.asarray(faces.pictures[at]), faces.points[at], str(faces.group[at])


@dataclass(frozen=True, slots=True)
class Pair:
    """A bona fide picture and an attack, and where the attack lies; NaN where nobody knows."""

    base: Picture
    attack: Picture
    mask: Mask
    points: Points
    """Landmarks of the attack."""
    who: str
    same_call: bool = True
    """Whether both go through one and the same call: so that only the attack differs."""


def dfdc_pair(corpus: Corpus, pool: Pool, rng: Rng) -> Pair:
    """A swap beside its original; at times only a part of it, laid in anew."""
    at = rng.choice(pool.dfdc_attack)
    swap, original = np.asarray(corpus.swaps.pictures[at]), np.asarray(corpus.swaps.originals[at])
    points, who = corpus.swaps.points[at], str(corpus.swaps.group[at])
    if not corpus.swaps.has_original[at]:
        nowhere = np.full(swap.shape[:2], np.nan, np.float32)
        return Pair(corpus.person(pool, rng)[0], swap, nowhere, points, who, same_call=False)
    if chance(rng, 0.35):
        return Pair(original, *part_swap(original, swap, points, rng), points, who)
    return Pair(original, swap, difference_mask(original, swap), points, who)


def self_blend_pair(corpus: Corpus, pool: Pool, rng: Rng) -> Pair:
    """A face blended with itself beside itself."""
    base, points, who = corpus.person(pool, rng)
    return Pair(base, *self_blend(base, points, rng), points, who)


def landmark_pair(corpus: Corpus, pool: Pool, rng: Rng) -> Pair:
    """Another person's face laid over one, beside it."""
    *target, who = corpus.person(pool, rng)
    *source, _ = corpus.person(pool, rng)
    return Pair(target[0], *landmark_swap(*target, *source, rng), target[1], who)


def generated_pair(corpus: Corpus, pool: Pool, rng: Rng) -> Pair:
    """A StyleGAN face beside a photograph of somebody else."""
    at = rng.choice(pool.stylegan)
    generated = np.asarray(corpus.ffhq.pictures[at])
    whole, photograph = np.ones(generated.shape[:2], np.float32), corpus.ffhq.pictures[rng.choice(pool.ffhq)]
    points, who = corpus.ffhq.points[at], str(corpus.ffhq.group[at])
    return Pair(np.asarray(photograph), generated, whole, points, who, same_call=False)


PAIRS = {
    "dfdc": dfdc_pair,
    "self-blends": self_blend_pair,
    "landmark-swaps": landmark_pair,
    "stylegan": generated_pair,
}

FAMILIES = tuple(PAIRS)


def mixed(mix: Mapping[str, int], pool: Pool, left_out: Collection[str]) -> list[str]:
    """The families of a batch, one name a pair: those that there is something of, as many as ``mix`` has."""
    here = {"dfdc": len(pool.dfdc_attack) > 0, "stylegan": len(pool.stylegan) > 0}
    names = [name for name, count in mix.items() for _ in range(count)]
    left = [name for name in names if name not in left_out and here.get(name, True)]
    if not left:
        raise ModelError("expected a family of attacks to learn from, all are missing or left out")
    return [left[at * len(left) // len(names)] for at in range(len(names))]
