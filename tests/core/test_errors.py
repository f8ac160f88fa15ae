"""The error tree is the one drawn in its docstring."""

import re

import pytest

from guard.core import errors

pytestmark = pytest.mark.unit

CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.GuardError)
}


def test_drawing_shows_every_class_and_no_other():
    drawn = re.findall(r"^\s*[*+-] (\w+)", errors.__doc__ or "", re.MULTILINE)
    assert sorted(drawn) == sorted(CLASSES)


def test_drawing_names_the_builtin_and_whether_to_try_again():
    for name, builtin in re.findall(r"(\w+) +\(also (\w+)\)", errors.__doc__ or ""):
        assert builtin in [base.__name__ for base in CLASSES[name].__mro__]
    retryable = re.findall(r"(\w+) +\(retryable\)", errors.__doc__ or "")
    assert sorted(retryable) == sorted(name for name, kind in CLASSES.items() if kind.retryable)
