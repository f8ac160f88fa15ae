"""Drawn faces that MediaPipe takes for faces; they belong to nobody."""

import cv2
import numpy as np

from guard.core.types import Picture

_SKIN, _SHADE, _DARK = (224, 178, 150), (190, 140, 118), (70, 45, 35)
_DRAWN_AT = 768


class _Canvas:
    """Ellipses and arcs in shares of a square picture's side."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.picture = np.full((side, side, 3), (120, 140, 160), np.float32)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: tuple[int, int, int]) -> None:
        middle, radii = (self._px(x), self._px(y)), (max(1, self._px(rx)), max(1, self._px(ry)))
        cv2.ellipse(self.picture, middle, radii, 0, 0, 360, colour, cv2.FILLED, cv2.LINE_AA)

    def arc(
        self, at: tuple[float, float], radius: tuple[float, float], ends: tuple[int, int], thick: float
    ) -> None:
        middle, radii = (self._px(at[0]), self._px(at[1])), (self._px(radius[0]), self._px(radius[1]))
        cv2.ellipse(self.picture, middle, radii, 0, *ends, _DARK, self._px(thick), cv2.LINE_AA)

    def shade_skin(self) -> None:
        rows, columns = np.mgrid[0 : self.side, 0 : self.side] / self.side
        away = ((columns - 0.5) / 0.25) ** 2 + ((rows - 0.5) / 0.335) ** 2
        light = np.clip(1.05 - 0.35 * away - 0.6 * (columns - 0.5), 0.5, 1.1)
        self.picture *= np.where(away < 1, light, 1.0)[..., None].astype(np.float32)

    def _px(self, share: float) -> int:
        return round(share * self.side)


def pictured_face(size: int = 256, mouth: float = 0.0, lids: float = 0.0) -> Picture:
    """A shaded head and shoulders, RGB (size, size, 3); the head takes about three quarters of the height."""
    canvas = _Canvas(_DRAWN_AT)
    canvas.ellipse(0.5, 0.42, 0.30, 0.36, (60, 40, 30))
    canvas.ellipse(0.5, 1.05, 0.33, 0.2, (70, 70, 110))
    canvas.ellipse(0.5, 0.86, 0.14, 0.2, (190, 145, 120))
    canvas.ellipse(0.5, 0.5, 0.25, 0.335, _SKIN)
    canvas.shade_skin()
    for side in (-1, 1):
        _draw_eye(canvas, 0.5 + side * 0.105, lids)
        canvas.ellipse(0.5 + side * 0.035, 0.59, 0.02, 0.02, (205, 155, 130))
        canvas.ellipse(0.5 + side * 0.028, 0.603, 0.011, 0.006, (110, 70, 60))
    canvas.ellipse(0.5, 0.585, 0.03, 0.025, (232, 188, 160))
    canvas.ellipse(0.5, 0.695, 0.085, 0.024 + 0.03 * mouth, (175, 85, 85))
    canvas.ellipse(0.5, 0.695, 0.065, 0.003 + 0.028 * mouth, (70, 25, 25))
    soft = cv2.GaussianBlur(canvas.picture, (0, 0), _DRAWN_AT * 0.003)
    small = cv2.resize(soft, (size, size), interpolation=cv2.INTER_AREA)
    return np.clip(small, 0, 255).astype(np.uint8)


def _draw_eye(canvas: _Canvas, x: float, lids: float) -> None:
    canvas.ellipse(x, 0.445, 0.06, 0.035, _SHADE)
    canvas.ellipse(x, 0.45, 0.048, 0.022 * (1 - lids) + 0.002, (245, 240, 235))
    canvas.ellipse(x, 0.45, 0.02, 0.02 * (1 - lids), _DARK)
    canvas.arc((x, 0.452), (0.052, 0.03), (190, 350), 0.007)
    canvas.arc((x, 0.405), (0.065, 0.03), (200, 340), 0.016)


def wall(width: int = 640, height: int = 360) -> Picture:
    """A wall with a soft gradient, RGB (height, width, 3)."""
    across = np.linspace(90, 150, width, dtype=np.float32)[None, :, None]
    return np.broadcast_to(across, (height, width, 3)).astype(np.uint8).copy()


def hung(picture: Picture, face: Picture, left: int, top: int) -> Picture:
    """A copy of the picture with a face pasted at (left, top)."""
    pasted = picture.copy()
    pasted[top : top + face.shape[0], left : left + face.shape[1]] = face
    return pasted
