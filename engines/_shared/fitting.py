"""The training loop: batches made in a worker, AdamW, one warm-up and one cosine, averaged weights."""

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from guard.core.errors import ModelError

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)

Pictures = NDArray[np.uint8]
"""uint8 (n, size, size, 3), RGB."""


class Batch(NamedTuple):
    """What a step learns from."""

    pictures: Pictures
    labels: NDArray[np.float32]
    """(n,): 1 = attack."""
    masks: NDArray[np.float32] | None = None
    """(n, size / 16, size / 16), 0..1: the share of each cell that was altered, NaN where nobody knows."""


MakeBatch = Callable[[int], Batch]
"""The batch of a step; the same step always gives the same batch."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast to learn."""

    steps: int
    peak_rate: float
    seed: int
    check_every: int
    weight_decay: float = 0.02
    warm_up: float = 0.08
    smoothing: float = 0.05
    averaging: float = 0.997
    mapping: float = 0.5
    """Weight of learning where beside learning whether."""
    of: str = ""
    """What is learned from: a state of something else is not gone on from."""

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then a cosine to nothing."""
        share = (step + 1) / self.steps
        if share < self.warm_up:
            return self.peak_rate * share / self.warm_up
        return self.peak_rate * 0.5 * (1 + float(np.cos(np.pi * (share - self.warm_up) / (1 - self.warm_up))))


class _Batches(Dataset[Batch]):
    def __init__(self, make: MakeBatch, first: int, steps: int) -> None:
        self._make, self._first, self._steps = make, first, steps

    def __len__(self) -> int:
        return self._steps - self._first

    def __getitem__(self, index: int) -> Batch:
        return self._make(self._first + index)


def normalise(pictures: Pictures) -> NDArray[np.float32]:
    """NCHW float32 as the manifest states it."""
    scaled = (pictures.astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def to_tensor(pictures: Pictures) -> Tensor:
    """Normalised, in the memory layout that trains fastest on a CPU."""
    return torch.from_numpy(normalise(pictures)).contiguous(memory_format=torch.channels_last)


def fit(
    net: nn.Module, make: MakeBatch, plan: Plan, state: Path, check: Callable[[int, nn.Module], None]
) -> nn.Module:
    """Train ``net`` and return the averaged net; ``check(step, averaged)`` is called now and then.

    ``state`` is written at each check; where it is there already, training goes on from it.

    Raises:
        ModelError: the state is one of another plan.
    """
    torch.set_flush_denormal(True)
    net = copy.deepcopy(net).to(memory_format=torch.channels_last)  # the one handed in stays as it is
    averaged = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.peak_rate, weight_decay=plan.weight_decay)
    run = _Run(net, averaged, optimiser)
    first = run.restore(state, plan)
    if first == plan.steps:  # it was stopped before the check had ended
        check(first, averaged.eval())
    loader = DataLoader(
        _Batches(make, first, plan.steps),
        batch_size=None,
        num_workers=1,
        prefetch_factor=6,
        worker_init_fn=lambda _: cv2.setNumThreads(1),
        collate_fn=lambda batch: batch,
        generator=torch.Generator(),  # else it would take from the draws of the net
    )
    recent, console = 0.7, Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        for step, batch in enumerate(bar.track(loader, plan.steps, first, description="training"), first):
            loss = _learn(net, optimiser, Batch(*batch), plan, plan.rate(step))
            _average(averaged, net, min(plan.averaging, (step + 1) / (step + 10)))
            recent += 0.02 * (loss - recent)
            if (step + 1) % max(1, plan.steps // 100) == 0:
                print(f"step {step + 1}/{plan.steps} loss {recent:.3f}", flush=True)
            if (step + 1) % plan.check_every == 0 or step + 1 == plan.steps:
                run.keep(state, plan, step + 1)
                check(step + 1, averaged.eval())
    return averaged.eval()


def logits(net: nn.Module, pictures: Pictures, batch: int = 32) -> NDArray[np.float64]:
    """Logits (n,) of pictures."""
    net.eval()
    with torch.inference_mode():
        parts = [
            net(to_tensor(pictures[i : i + batch]))[:, 0].numpy() for i in range(0, len(pictures), batch)
        ]
    return np.concatenate(parts).astype(np.float64)


def _learn(net: nn.Module, optimiser: torch.optim.Optimizer, batch: Batch, plan: Plan, rate: float) -> float:
    """One step; the loss of telling whether."""
    net.train()
    for group in optimiser.param_groups:
        group["lr"] = rate
    pictures = to_tensor(batch.pictures)
    wanted = torch.from_numpy(batch.labels) * (1 - 2 * plan.smoothing) + plan.smoothing
    with torch.autocast("cpu", torch.bfloat16, enabled=_multiplies_bfloat16()):
        logit, where = (net(pictures), None) if batch.masks is None else net.mapped(pictures)
    loss = nn.functional.binary_cross_entropy_with_logits(logit[:, 0].float(), wanted)
    mapping = 0.0 if where is None else _mapping_loss(where.float(), torch.from_numpy(batch.masks))
    optimiser.zero_grad(set_to_none=True)
    (loss + plan.mapping * mapping).backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


@cache
def _multiplies_bfloat16() -> bool:
    """Whether this processor does so itself: a step then takes 0.6 of the time; the weights stay float32."""
    found: bool = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()  # noqa: SLF001 -- torch has no public question
    return found


def _mapping_loss(where: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy over the cells that somebody knows about."""
    known = masks.isfinite()
    return nn.functional.binary_cross_entropy_with_logits(where[known], masks[known])


@torch.no_grad()
def _average(averaged: nn.Module, net: nn.Module, keep: float) -> None:
    for ours, theirs in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
        if ours.dtype.is_floating_point:
            ours.lerp_(theirs, 1 - keep)
        else:
            ours.copy_(theirs)


@dataclass(frozen=True, slots=True)
class _Run:
    """What training changes."""

    net: nn.Module
    averaged: nn.Module
    optimiser: torch.optim.Optimizer

    def keep(self, state: Path, plan: Plan, step: int) -> None:
        """Write it whole: a run that is stopped here goes on from the state before."""
        draft = state.with_suffix(".part")
        parts = {"net": self.net, "averaged": self.averaged, "optimiser": self.optimiser}
        kept = {name: part.state_dict() for name, part in parts.items()}
        torch.save(kept | {"plan": asdict(plan), "step": step, "draws": torch.get_rng_state()}, draft)
        draft.replace(state)

    def restore(self, state: Path, plan: Plan) -> int:
        """Go back to what was kept, where something was; the steps that were done by then."""
        if not state.is_file():
            return 0
        kept = torch.load(state, weights_only=True)
        before, asked = kept["plan"], asdict(plan)
        if before != asked:
            told = "; ".join(
                f"{'learned from' if name == 'of' else name.replace('_', ' ')}: {before.get(name)}, now {now}"
                for name, now in asked.items()
                if before.get(name) != now
            )
            raise ModelError(
                f"{state}: expected the state of a run with the same options, got one with others ({told});"
                " remove the file, or name another --work"
            )
        self.net.load_state_dict(kept["net"])
        self.averaged.load_state_dict(kept["averaged"])
        self.optimiser.load_state_dict(kept["optimiser"])
        torch.set_rng_state(kept["draws"])
        step: int = kept["step"]
        print(f"going on from step {step} ({state})", flush=True)
        return step
