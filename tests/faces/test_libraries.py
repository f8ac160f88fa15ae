"""Tests of what is said when a system library is missing."""

import pytest

from guard.core.errors import EnvironmentProblem
from guard.faces.libraries import needing_system_libraries

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("kind", [ImportError, OSError])
def test_a_missing_shared_object_names_the_command(kind: type[Exception]) -> None:
    missing = "libEGL.so.1: cannot open shared object file: No such file or directory"
    with pytest.raises(EnvironmentProblem) as caught, needing_system_libraries("MediaPipe"):
        raise kind(missing)
    for part in ("MediaPipe", "libEGL.so.1", "apt-get install", "libegl1 libgles2 libgl1 libglib2.0-0"):
        assert part in str(caught.value)


def test_other_failures_pass_as_they_are() -> None:
    with pytest.raises(ModuleNotFoundError), needing_system_libraries("MediaPipe"):
        raise ModuleNotFoundError("No module named 'mediapipe'")
