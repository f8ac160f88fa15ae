"""[calibration] of engine.toml: from the logit to a probability, and from a face's quality to trust in it."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from guard.core.types import Quality, Reason

Positive = Annotated[float, Field(gt=0.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]

LEAST_WEIGHT = 0.05
"""A face that would weigh less is not judged at all: so little moves nothing, and would pass for coverage."""


class Section(BaseModel):
    """A frozen table of engine.toml that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Curve(Section):
    """A piecewise linear weight over one measure of a face; constant beyond its ends."""

    at: tuple[float, ...] = Field(min_length=1)
    """Knots, rising."""
    weight: tuple[Share, ...]
    """0..1 at each knot."""
    count: tuple[Count, ...] = ()
    """Held-out pictures about each knot that the weight was fitted on; empty where it was set by hand."""

    @model_validator(mode="after")
    def _fits(self) -> "Curve":
        if any(low >= high for low, high in pairwise(self.at)):
            msg = f"expected knots `at` that rise, got {list(self.at)}"
            raise ValueError(msg)
        if len(self.weight) != len(self.at) or len(self.count) not in {0, len(self.at)}:
            msg = (
                f"expected one weight and one count (or no counts) for each of {len(self.at)} knots, "
                f"got {len(self.weight)} and {len(self.count)}"
            )
            raise ValueError(msg)
        return self

    def __call__(self, measured: float) -> float:
        """The weight at ``measured``, 0..1."""
        return float(np.interp(measured, self.at, self.weight))


class WeightSection(Section):
    """How much a score may weigh: the product of the curves. None means that it does not matter."""

    size_px: Curve
    """Over the longer side of the landmarks' box in the frame, px."""
    sharpness: Curve | None = None
    """Over ``Quality.sharpness``."""
    luma: Curve | None = None
    """Over ``Quality.luma``, 0..255."""

    def factors(self, quality: Quality) -> Iterator[tuple[float, Reason]]:
        """The weight 0..1 of each curve, and the reason where it is small."""
        yield self.size_px(quality.size_px), Reason.TOO_SMALL
        if self.sharpness is not None:
            yield self.sharpness(quality.sharpness), Reason.BLURRED
        if self.luma is not None:
            yield self.luma(quality.luma), Reason.TOO_DARK


class ReliabilitySection(Section):
    """The reliability diagram, on people who took no part in the fit: a bin each position."""

    predicted: tuple[Share, ...]
    """Mean P(attack) said, after weighing: sigmoid(weight * (slope * logit + bias))."""
    attack: tuple[Share, ...]
    """Share of attacks among them, both classes counting the same."""
    count: tuple[Count, ...]
    """Pictures."""
    error: Share
    """Expected calibration error: the mean of |predicted - attack|, by pictures."""
    people: Count
    """Persons or clips that the pictures are of."""


class InstabilitySection(Section):
    """When a score that moves with the crop is not believed."""

    every: int = Field(ge=1, le=1000)
    """Every so many scores of a face track the same face is scored once more, cut a little tighter."""
    zoom: float = Field(gt=0.5, lt=1.0)
    """Side of that crop over the side of the plain one."""
    most: float = Field(gt=0.0, lt=1.0)
    """Change of the probability from which on the detector abstains until the next such look."""


class CalibrationSection(Section):
    """P(attack) from the logit (Platt scaling), and the weight of that from the face's quality."""

    slope: Positive
    bias: float
    weight: WeightSection
    reliability: ReliabilitySection | None = None
    instability: InstabilitySection | None = None

    def probability(self, logit: float) -> float:
        """P(attack) = sigmoid(slope * logit + bias), 0..1 (Platt scaling)."""
        return float(0.5 * (1.0 + np.tanh(0.5 * (self.slope * logit + self.bias))))

    def trust(self, quality: Quality) -> tuple[float, Reason]:
        """Weight 0..1 of a score of such a face, and what takes the most from it; under 0.05 it is 0."""
        factors = list(self.weight.factors(quality))
        weight = float(np.prod([factor for factor, _ in factors]))
        _, reason = min(factors, key=lambda factor: factor[0])
        return (weight if weight >= LEAST_WEIGHT else 0.0), reason
