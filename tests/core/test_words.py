"""Reasons in plain words."""

import pytest

from guard.core.types import Reason
from guard.core.words import REASON_WORDS, in_words, printable

pytestmark = pytest.mark.unit


def test_every_reason_has_its_words():
    assert REASON_WORDS.keys() == set(Reason)


def test_what_another_version_says_is_left_as_it_is():
    assert in_words(["too_dark", "too_newfangled"]) == "the face is too dark, too_newfangled"
    assert in_words([]) == ""


@pytest.mark.parametrize(
    "sign", ["\x1b", "\r", "\n", "\0", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028", "\ud800"]
)
def test_foreign_text_does_nothing_to_a_terminal(sign: str):
    assert printable(f"a{sign}[2Jb", 10) == "a\ufffd[2Jb"


def test_foreign_text_is_cut_and_otherwise_left_as_it_is():
    assert printable("山田\u3000太郎 👩‍💻 é", 100) == "山田\u3000太郎 👩‍💻 é"
    assert printable("x" * 100, 10) == "x" * 10
