"""The Engine protocol: what every model runtime offers."""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Tensor: TypeAlias = NDArray[np.float32]
"""A float32 tensor; its layout stands in the engine's manifest."""


class Engine(Protocol):
    """A loaded model: activate, infer any number of times, deactivate.

    ``infer`` may be called from any one thread at a time per engine unless the backend says otherwise.
    """

    def activate(self) -> None:
        """Load the model and warm it up; raise ModelError where that is not possible."""

    def inputs(self) -> Mapping[str, tuple[int | None, ...]]:
        """Shapes by input name; None stands for the batch axis."""

    def infer(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run a batch; the arrays returned belong to the caller and are not reused."""

    def deactivate(self) -> None:
        """Release the model; calling it twice is harmless."""
