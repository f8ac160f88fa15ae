"""The training loop: batches made in a worker, AdamW, one warm-up and one cosine, averaged weights."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)

Pictures = NDArray[np.uint8]
"""uint8 (n, size, size, 3), RGB."""

MakeBatch = Callable[[int], tuple[Pictures, NDArray[np.float32]]]
"""Pictures and labels (n,), 1 = attack, of a step; the same step always gives the same batch."""


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

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then a cosine to nothing."""
        share = (step + 1) / self.steps
        if share < self.warm_up:
            return self.peak_rate * share / self.warm_up
        return self.peak_rate * 0.5 * (1 + float(np.cos(np.pi * (share - self.warm_up) / (1 - self.warm_up))))


class _Batches(Dataset[tuple[Pictures, NDArray[np.float32]]]):
    def __init__(self, make: MakeBatch, first: int, steps: int) -> None:
        self._make, self._first, self._steps = make, first, steps

    def __len__(self) -> int:
        return self._steps - self._first

    def __getitem__(self, index: int) -> tuple[Pictures, NDArray[np.float32]]:
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
    """
    torch.set_flush_denormal(True)
    net = copy.deepcopy(net).to(memory_format=torch.channels_last)  # the one handed in stays as it is
    averaged = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.peak_rate, weight_decay=plan.weight_decay)
    first = _restore(state, net, averaged, optimiser)
    loader = DataLoader(
        _Batches(make, first, plan.steps),
        batch_size=None,
        num_workers=1,
        prefetch_factor=6,
        worker_init_fn=lambda _: cv2.setNumThreads(1),
        collate_fn=lambda batch: batch,
    )
    recent = 0.7
    for step, (pictures, labels) in enumerate(loader, first):
        smooth = labels * (1 - 2 * plan.smoothing) + plan.smoothing
        loss = _learn(net, optimiser, pictures, smooth, plan.rate(step))
        _average(averaged, net, min(plan.averaging, (step + 1) / (step + 10)))
        recent += 0.02 * (loss - recent)
        if (step + 1) % 50 == 0:
            print(f"step {step + 1}/{plan.steps} loss {recent:.3f}", flush=True)
        if (step + 1) % plan.check_every == 0 or step + 1 == plan.steps:
            _keep(state, net, averaged, optimiser, step + 1)
            check(step + 1, averaged.eval())
    return averaged.eval()


@torch.no_grad()
def mean_of(first: nn.Module, second: nn.Module) -> nn.Module:
    """The net half way between two on one path of training (Wortsman et al., "Model soups", 2022)."""
    between = copy.deepcopy(first)
    _average(between, second, 0.5)
    return between.eval()


def logits(net: nn.Module, pictures: Pictures, batch: int = 32) -> NDArray[np.float64]:
    """Logits (n,) of pictures."""
    net.eval()
    with torch.inference_mode():
        parts = [
            net(to_tensor(pictures[i : i + batch]))[:, 0].numpy() for i in range(0, len(pictures), batch)
        ]
    return np.concatenate(parts).astype(np.float64)


def _learn(
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    pictures: Pictures,
    wanted: NDArray[np.float32],
    rate: float,
) -> float:
    net.train()
    for group in optimiser.param_groups:
        group["lr"] = rate
    loss = nn.functional.binary_cross_entropy_with_logits(
        net(to_tensor(pictures))[:, 0], torch.from_numpy(wanted)
    )
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


@torch.no_grad()
def _average(averaged: nn.Module, net: nn.Module, keep: float) -> None:
    for ours, theirs in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
        if ours.dtype.is_floating_point:
            ours.lerp_(theirs, 1 - keep)
        else:
            ours.copy_(theirs)


def _keep(
    state: Path, net: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer, step: int
) -> None:
    torch.save(
        {
            "step": step,
            "net": net.state_dict(),
            "averaged": averaged.state_dict(),
            "optimiser": optimiser.state_dict(),
        },
        state,
    )


def _restore(state: Path, net: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer) -> int:
    if not state.is_file():
        return 0
    kept = torch.load(state, weights_only=True)
    net.load_state_dict(kept["net"])
    averaged.load_state_dict(kept["averaged"])
    optimiser.load_state_dict(kept["optimiser"])
    step: int = kept["step"]
    print(f"going on from step {step} ({state})", flush=True)
    return step
