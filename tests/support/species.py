"""Material for attack species, drawn: a face that moves and talks in a clip, and another one."""

import numpy as np

from guard.simulate.testing.material import Material, Person, Still
from tests.support.faces import drawn_face, drawn_points

SIZE = (160, 120)


def drawn_person(length: int = 24) -> Person:
    """A face that wanders by a px a picture, its mouth opening and closing."""
    places = [(70 + n % 12, 60) for n in range(length)]
    clip = [drawn_face(SIZE, place, 70, (200, 150, 120)) for place in places]
    points = [
        drawn_points(place, 70, 0.1 * abs(np.sin(number / 3)).item()) for number, place in enumerate(places)
    ]
    return Person(clip, points)


def drawn_material(length: int = 24) -> Material:
    """That person, and a greenish other."""
    other = Still(drawn_face((200, 200), (100, 95), 110, (90, 160, 90)), drawn_points((100, 95), 110))
    return Material(drawn_person(length), other)
