"""The training loop goes on from where it was, and from nothing else; needs the train extra."""

import importlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from guard.core.errors import ModelError

pytestmark = pytest.mark.unit

torch = pytest.importorskip("torch", reason="training needs the train extra")
ENGINES = Path(__file__).parents[2] / "engines"
SIZE = 32


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As recipes do: batches are made in a fork, which a pool of threads does not outlive."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])
    torch.set_flush_denormal(False)  # training sets it; other tests draw such floats


@pytest.fixture
def fitting(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ENGINES))
    return importlib.import_module("_shared.fitting")


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ENGINES))
    torch.manual_seed(1)
    return importlib.import_module("_shared.nets").MobileNetV2(stages=5, top=32)


def batches(fitting: Any) -> Any:
    """Attacks are brighter, and the half where they lie is known."""

    def make(step: int) -> Any:
        rng = np.random.default_rng(step)
        labels = np.tile(np.array([0, 1], np.float32), 4)
        pictures = rng.integers(0, 60, (8, SIZE, SIZE, 3)) + 120 * labels[:, None, None, None]
        masks = np.zeros((8, 2, 2), np.float32)
        masks[1::2, :, 0] = 1
        masks[0] = np.nan
        return fitting.Batch(pictures.astype(np.uint8), labels, masks)

    return make


def weights(net: Any) -> Any:
    return torch.cat([value.flatten().float() for value in net.state_dict().values()])


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(fitting: Any, net: Any, tmp_path: Path) -> None:
    plan = fitting.Plan(6, 1e-3, 1, check_every=3)
    make, checked = batches(fitting), []

    def stop_at_three(step: int, _averaged: Any) -> None:
        checked.append(step)
        if step == 3 and checked.count(3) == 1:
            raise KeyboardInterrupt

    torch.manual_seed(2)
    whole = fitting.fit(net, make, plan, tmp_path / "whole.pt", lambda *_: None)
    torch.manual_seed(2)
    with pytest.raises(KeyboardInterrupt):
        fitting.fit(net, make, plan, tmp_path / "stopped.pt", stop_at_three)
    torch.manual_seed(99)
    resumed = fitting.fit(net, make, plan, tmp_path / "stopped.pt", stop_at_three)
    assert checked == [3, 6]
    assert torch.allclose(weights(whole), weights(resumed), atol=1e-5)
    assert not torch.allclose(weights(whole), weights(net), atol=1e-3)


def test_a_run_that_was_stopped_in_its_last_check_is_checked_again(
    fitting: Any, net: Any, tmp_path: Path
) -> None:
    plan, checked = fitting.Plan(2, 1e-3, 1, check_every=2), []
    fitting.fit(net, batches(fitting), plan, tmp_path / "state.pt", lambda *_: None)
    fitting.fit(net, batches(fitting), plan, tmp_path / "state.pt", lambda step, _: checked.append(step))
    assert checked == [2]


def test_a_state_is_gone_on_from_with_the_same_plan_only(fitting: Any, net: Any, tmp_path: Path) -> None:
    state, plan = tmp_path / "state.pt", fitting.Plan(2, 1e-3, 1, check_every=2, of="swaps")
    fitting.fit(net, batches(fitting), plan, state, lambda *_: None)
    fitting.fit(net, batches(fitting), plan, state, lambda *_: None)
    other = replace(plan, steps=4, of="blends")
    with pytest.raises(ModelError) as caught:
        fitting.fit(net, batches(fitting), other, state, lambda *_: None)
    assert "(steps: 2, now 4; learned from: swaps, now blends); remove the file" in str(caught.value)
