"""The system libraries that MediaPipe and OpenCV need, and what to say when one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from guard.core.errors import EnvironmentProblem

INSTALL_COMMAND: Final = "apt-get install --no-install-recommends libegl1 libgles2 libgl1 libglib2.0-0"
"""Brings libEGL, libGLESv2, libGL and glib on Debian and Ubuntu."""


@contextmanager
def needing_system_libraries(library: str) -> Iterator[None]:
    """Turn a shared object that cannot be loaded into an EnvironmentProblem that names what mends it."""
    try:
        yield
    except (ImportError, OSError) as error:
        if ".so" not in str(error):
            raise
        msg = f"{library} needs system libraries that are not here ({error}); install them: {INSTALL_COMMAND}"
        raise EnvironmentProblem(msg) from error
