"""Who may be the same person, where a set does not say: faces grouped by how alike they look."""

import cv2
import numpy as np
from numpy.typing import NDArray

from _shared.corpus import Picture

_SIDE, _BORDER = 48, 4
_PLACES = np.array([[14, 16], [34, 16], [24, 38]], np.float32)
_LANDMARKS = ((33, 133), (362, 263), (13, 14))
_ALIKE, _FEWEST = 0.88, 6


def likenesses(pictures: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines float32 (n, n) of faces laid over each other by eyes and mouth, light and colour taken out."""
    rows = np.stack([_row(picture, face) for picture, face in zip(pictures, points, strict=True)])
    return rows @ rows.T


def groups(cosines: NDArray[np.float32]) -> NDArray[np.intp]:
    """A group number for each face: clusters of near duplicates, and whoever is left joins the likest one."""
    labels = _linked(cosines > _ALIKE)
    names, counts = np.unique(labels, return_counts=True)
    seeds = names[counts >= _FEWEST]
    if not len(seeds):
        return labels
    likest = [np.sort(cosines[:, labels == seed], axis=1)[:, -_FEWEST:] for seed in seeds]
    nearness = np.stack([each.mean(axis=1) for each in likest])
    return np.where(np.isin(labels, seeds), np.searchsorted(seeds, labels), nearness.argmax(axis=0))


def _row(picture: Picture, face: NDArray[np.float32]) -> NDArray[np.float32]:
    places = np.stack([face[list(pair)].mean(axis=0) for pair in _LANDMARKS])
    onto, _ = cv2.estimateAffinePartial2D(places, _PLACES)
    grey = cv2.warpAffine(
        cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), onto, (_SIDE, _SIDE), borderMode=cv2.BORDER_REFLECT_101
    ).astype(np.float32)
    seen = cv2.GaussianBlur(grey - cv2.GaussianBlur(grey, (0, 0), 12), (0, 0), 1.2)
    inner = seen[_BORDER:-_BORDER, _BORDER:-_BORDER].ravel()
    inner = inner - inner.mean()
    return inner / max(float(np.linalg.norm(inner)), 1e-6)


def _linked(alike: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The smallest index that each face is joined to, over any number of steps."""
    labels = np.arange(len(alike))
    while True:
        joined = np.array([labels[row].min() for row in alike])
        joined = joined[joined]
        if np.array_equal(joined, labels):
            return labels
        labels = joined
