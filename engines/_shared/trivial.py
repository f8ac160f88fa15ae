"""What a net must do better than: brightness, colour, saturation and sharpness of a crop, read linearly."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from _shared import figures
from _shared.fitting import MakeBatch, Pictures
from _shared.trials import Trial


def features(pictures: Pictures) -> NDArray[np.float64]:
    """Mean and spread of each colour, saturation and sharpness, (n, 8)."""
    values = pictures.astype(np.float32)
    sharpness = [np.log1p(cv2.Laplacian(picture, cv2.CV_32F).var()) for picture in values]
    saturation = (values.max(3) - values.min(3)).mean((1, 2))
    return np.column_stack([values.mean((1, 2)), values.std((1, 2)), saturation, sharpness])


def baseline(make: MakeBatch, unseen: Sequence[Trial], batches: int) -> list[str]:
    """AUC of a linear reading of ``features``, fitted on ``batches`` training batches; a line a trial."""
    drawn = [make(step) for step in range(batches)]
    rows = np.concatenate([features(batch.pictures) for batch in drawn])
    wanted = np.concatenate([batch.labels for batch in drawn]) * 2 - 1
    mean, spread = rows.mean(0), rows.std(0) + 1e-6
    rows = np.column_stack([(rows - mean) / spread, np.ones(len(rows))])
    solution = np.linalg.solve(rows.T @ rows + np.eye(rows.shape[1]), rows.T @ wanted)

    def read(pictures: Pictures) -> NDArray[np.float64]:
        return (features(pictures) - mean) / spread @ solution[:-1]

    return [
        f"trivial features on {t.name}: AUC {figures.auc(read(t.bona_fide), read(t.attack)):.3f}"
        for t in unseen
    ]
