"""The error tree; each error says what was expected, what came, and how to mend it.

* GuardError
  + ConfigError        (also ValueError)   a setting is unknown or out of range
  + ShapeError         (also ValueError)   an array has not the shape or dtype it should have
  + SignallingError    (also ValueError)   an offer, a token or an id from outside is unacceptable
    - UnsupportedCodec                     the offer holds no codec that we relay
    - UnsupportedRestart                   the peer asks for an ICE restart, which we do not do
  + NotFoundError      (also LookupError)  a room, participant or session is not here
  + CapacityError      (retryable)         a limit is reached for now
  + MediaError         (also ValueError)   encoded media cannot be decoded or breaks the policy
  + ModelError         (also RuntimeError) a model file is missing, altered or cannot run
  + DeliveryError      (retryable)         the broker or the store did not take a message
  + EnvironmentProblem (also OSError)      the machine lacks something; the text names what mends it
"""

from typing import ClassVar


class GuardError(Exception):
    """Whatever call-guard raises on purpose."""

    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later without a change."""


class ConfigError(GuardError, ValueError):
    """A setting is unknown or out of range."""


class ShapeError(GuardError, ValueError):
    """An array has not the shape or dtype it should have."""


class SignallingError(GuardError, ValueError):
    """An offer, a token or an id from outside is unacceptable."""


class UnsupportedCodec(SignallingError):  # noqa: N818 -- named as the condition, like UnsupportedMediaType
    """The offer holds no codec that we relay."""


class UnsupportedRestart(SignallingError):  # noqa: N818 -- same
    """The peer asks for an ICE restart, which we do not do."""


class NotFoundError(GuardError, LookupError):
    """A room, participant or session is not here."""


class CapacityError(GuardError):
    """A limit is reached for now."""

    retryable = True


class MediaError(GuardError, ValueError):
    """Encoded media cannot be decoded or breaks the policy."""


class ModelError(GuardError, RuntimeError):
    """A model file is missing, altered or cannot run."""


class DeliveryError(GuardError):
    """The broker or the store did not take a message."""

    retryable = True


class EnvironmentProblem(GuardError, OSError):  # noqa: N818 -- EnvironmentError is a builtin's name
    """The machine lacks something; the text names the command that mends it."""
