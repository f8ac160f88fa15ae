"""Training variants of presentation attacks: prints, cards, telephones and monitors held to the camera.

Made from bona fide pictures with their surroundings; the face stays about where it was, so that only the
instrument tells the two apart. Colours, blur, light, coding, edges and hands stand on both sides. Written for
training only: the demo's and the tests' attacks are other code.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from guard.simulate.training.persons import background_changed, beautified, head_mask, surrounded
from guard.simulate.training.pictures import (
    Mask,
    Picture,
    Points,
    blur,
    chance,
    check_picture,
    check_points,
    mix,
    resize,
    to_bytes,
)
from guard.simulate.training.prints import card as drawn_card
from guard.simulate.training.prints import inked, margin, screened, shaded
from guard.simulate.training.scene import decoy, glare, hand, lit, place, waving
from guard.simulate.training.screens import banded, buttons, coded, glowing, mirrored, sampled
from guard.simulate.training.surfaces import Rect, Surface, hold, laid, tilt
from guard.simulate.training.tones import toned

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Shot:
    """What the camera sees, where the face is in it, and which of it is the instrument."""

    picture: Picture
    points: NDArray[np.float32]
    """(n, 2): x, y of the landmarks in pixels of ``picture``."""
    mask: Mask
    """1 on the instrument; all 0 for a person who is there."""


Attack: TypeAlias = Callable[[Picture, Points, Rng, Picture | None], Shot]
"""A bona fide picture, its landmarks, chance, and a picture to stand behind the instrument, to an attack."""


def bona_fide(
    picture: Picture, points: Points, rng: Rng, behind: Picture | None = None, person: Mask | None = None
) -> Shot:
    """A person at the camera, with what might be taken for an attack: colours, blur, lamps, frames, filters.

    ``person`` is 1 on the person (a rough guess where it is not given); ``behind`` may be shown behind them.
    """
    check_picture(picture)
    check_points(points)
    seen = _called(
        picture, points, rng, behind, head_mask(points, picture.shape[:2]) if person is None else person
    )
    if chance(rng, 0.08):
        seen = waving(seen, *_face(points), rng)
    if chance(rng, 0.55):
        seen = glowing(seen, rng) if chance(rng, 0.5) else inked(seen, rng)
    if chance(rng, 0.25):
        seen = coded(seen, rng)
    seen = _disturbed(seen, rng)
    shape = seen.shape[:2]
    moved = np.asarray(points[:, :2], np.float32)
    if chance(rng, 0.5):
        turned = laid(tilt(*_face(points), rng), *_face(points), shape)
        seen, moved = turned.seen(seen), turned.moved(points)
    return Shot(_recaptured(seen, rng), moved, np.zeros(shape, np.float32))


def photo(picture: Picture, points: Points, rng: Rng, behind: Picture | None = None) -> Shot:
    """A print held in the hand, flat or bent: ink, paper, light, a margin, an edge in sight or out of it."""
    scene = _set_up(picture, points, rng, behind, paper=True)
    edge = _edge(points, rng, 0.75, 1.9)
    wide = rng.uniform(0.02, 0.15) * scene.surface.face_px if chance(rng, 0.45) else 0.0
    return _held(_on_paper(picture, scene, edge, wide), scene, edge)


def card(picture: Picture, points: Points, rng: Rng, behind: Picture | None = None) -> Shot:
    """An identity card with the face as its portrait, held near the camera."""
    scene = _set_up(picture, points, rng, behind, paper=False)
    portrait = _edge(points, rng, 0.58, 0.95)
    wide, tall = portrait.right - portrait.left, portrait.bottom - portrait.top
    left, top = portrait.left - rng.uniform(0.1, 0.6) * wide, portrait.top - rng.uniform(0.15, 0.6) * tall
    height = tall * rng.uniform(1.4, 2.2)
    whole = Rect(left, top, left + 1.58 * height, top + height, 0.06 * height)
    return _held(_on_paper(drawn_card(picture, portrait, whole, rng), scene, whole, 0.0), scene, whole)


def telephone(picture: Picture, points: Points, rng: Rng, behind: Picture | None = None) -> Shot:
    """A replay on a telephone or tablet: a narrow frame with round corners, mostly in sight, and a hand."""
    scene = _set_up(picture, points, rng, behind, paper=False)
    (x, y), size = _face(points)
    half = size * rng.uniform(0.55, 1.0)
    x, y = x + rng.uniform(-0.12, 0.12) * size, y + rng.uniform(-0.35, 0.35) * size
    tall = half * rng.uniform(1.3, 2.1)
    wide, tall = (half, tall) if chance(rng, 0.75) else (half * 1.8, half)
    edge = Rect(x - wide, y - tall, x + wide, y + tall, half * rng.uniform(0.05, 0.25))
    return _held(_replayed(picture, scene, edge, half * rng.uniform(0.02, 0.12)), scene, edge)


def monitor(picture: Picture, points: Points, rng: Rng, behind: Picture | None = None) -> Shot:
    """A replay on a monitor or laptop: wide, its frame often out of sight."""
    scene = _set_up(picture, points, rng, behind, paper=False)
    edge = _edge(points, rng, 0.8, 3.0)
    bezel_px = scene.surface.face_px * rng.uniform(0.03, 0.3)
    return _held(_replayed(picture, scene, edge, bezel_px), scene, edge)


ATTACKS: dict[str, Attack] = {"photo": photo, "card": card, "telephone": telephone, "monitor": monitor}
"""Every species by name."""


def _called(picture: Picture, points: Points, rng: Rng, behind: Picture | None, person: Mask) -> Picture:
    """What callers do to their picture, and what stands behind them."""
    seen, kind = picture, rng.random()
    shape = picture.shape[:2]
    if kind < 0.3:  # noqa: PLR2004 -- three in ten
        seen = decoy(seen, person, *_face(points), rng)
    elif kind < 0.5:  # noqa: PLR2004 -- two in ten
        seen = background_changed(seen, person, place(shape, behind, rng), rng)
    elif kind < 0.58:  # noqa: PLR2004 -- one in twelve
        seen = surrounded(seen, points, place(shape, behind, rng), rng)
    return beautified(seen, points, rng) if chance(rng, 0.15) else seen


def _disturbed(seen: Picture, rng: Rng) -> Picture:
    """Lamps, haze and flicker that stand in honest rooms too."""
    if chance(rng, 0.6):
        seen = lit(seen, 0.35, rng)
    if chance(rng, 0.08):
        seen = glare(seen, rng)
    if chance(rng, 0.06):
        seen = to_bytes(banded(seen.astype(np.float32), rng))
    if chance(rng, 0.12):
        seen = toned(seen, 1.0, 1.0, np.full(3, rng.uniform(0.6, 0.95)), rng.uniform(5, 60))
    return seen


@dataclass(frozen=True, slots=True)
class _Scene:
    """Everything that an instrument is shown with."""

    surface: Surface
    points: Points
    behind: Picture | None
    rng: Rng


def _set_up(picture: Picture, points: Points, rng: Rng, behind: Picture | None, *, paper: bool) -> _Scene:
    check_picture(picture)
    check_points(points)
    return _Scene(hold(points, picture.shape[:2], rng, paper=paper), points, behind, rng)


def _on_paper(picture: Picture, scene: _Scene, edge: Rect, margin_px: float) -> Picture:
    rng, surface = scene.rng, scene.surface
    values = screened(surface.seen(inked(picture, rng)), surface, rng)
    if margin_px > 0:
        values = margin(values, surface, edge, margin_px, rng)
    printed = lit(to_bytes(shaded(values, surface, rng)), 0.35, rng)
    return glare(printed, rng) if chance(rng, 0.25) else printed


def _replayed(picture: Picture, scene: _Scene, edge: Rect, bezel_px: float) -> Picture:
    """Code, show, sample, and mirror the room; ``bezel_px`` is the frame around the display."""
    rng, display = scene.rng, edge.shrunk(bezel_px)
    shown = coded(picture, rng) if chance(rng, 0.6) else picture
    shown = glowing(shown, rng)
    if chance(rng, 0.35):
        shown = buttons(shown, display, rng)
    values = sampled(scene.surface.seen(shown), scene.surface, rng)
    if chance(rng, 0.5):
        values = banded(values, rng)
    frame = np.float32(rng.uniform(3, 45) if chance(rng, 0.85) else rng.uniform(150, 240))
    values = frame + (values - frame) * scene.surface.share_inside(display)[:, :, np.newaxis]
    if chance(rng, 0.5):
        values = mirrored(values, place(picture.shape[:2], scene.behind, rng), rng)
    screen = to_bytes(values)
    return glare(screen, rng) if chance(rng, 0.25) else screen


def _held(instrument: Picture, scene: _Scene, edge: Rect) -> Shot:
    """The instrument inside its edge, the holder's place outside, a hand, and the lens that sees it."""
    shape, rng, surface = instrument.shape[:2], scene.rng, scene.surface
    mask = surface.share_inside(edge, rng.uniform(0.8, 2.0))
    around = place(shape, scene.behind, rng)
    shade: Mask = np.float32(rng.uniform(0.25, 1.2)) * np.ones(shape, np.float32)
    if chance(rng, 0.6):  # the instrument shades what is behind it
        few = shape[1] // 4, shape[0] // 4
        small = np.asarray(cv2.resize(mask, few, interpolation=cv2.INTER_AREA), np.float32)
        soft = cv2.resize(blur(small, 0.015 * shape[1]), (shape[1], shape[0]))
        shade *= 1 - np.float32(rng.uniform(0, 0.5)) * soft
    seen = mix(to_bytes(around * shade[:, :, np.newaxis]), instrument, mask)
    if chance(rng, 0.35):
        seen = hand(seen, surface, edge, rng)
    if chance(rng, 0.3):
        seen = lit(seen, 0.3, rng)
    return Shot(_recaptured(seen, rng), surface.moved(scene.points), mask)


def _edge(points: Points, rng: Rng, nearest: float, farthest: float) -> Rect:
    """Where the instrument ends, its own distance (in faces, log-uniform) on each side of the face."""
    (x, y), size = _face(points)
    left, top, right, bottom = size * np.exp(rng.uniform(np.log(nearest), np.log(farthest), 4))
    return Rect(x - left * 0.85, y - top, x + right * 0.85, y + bottom)


def _recaptured(picture: Picture, rng: Rng) -> Picture:
    """The lens that sees it: mostly sharp, sometimes out of focus by a pixel or so."""
    height, width = picture.shape[:2]
    if chance(rng, 0.15):  # a camera of few pixels
        share = rng.uniform(0.4, 0.9)
        picture = resize(resize(picture, round(width * share), round(height * share)), width, height)
    return blur(picture, rng.uniform(0, 1.15) ** 2 * width / 224)


def _face(points: Points) -> tuple[tuple[float, float], float]:
    """The middle and the size of the landmarks' box."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2), float((high - low).max())
