"""Reasons in plain words."""

import pytest

from guard.core.types import Reason
from guard.core.words import REASON_WORDS, in_words

pytestmark = pytest.mark.unit


def test_every_reason_has_its_words():
    assert REASON_WORDS.keys() == set(Reason)


def test_what_another_version_says_is_left_as_it_is():
    assert in_words(["too_dark", "too_newfangled"]) == "the face is too dark, too_newfangled"
    assert in_words([]) == ""
