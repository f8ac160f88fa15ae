"""Which relay a publisher gets."""

from typing import Any

import structlog

from guard.config import MediaSettings
from guard.core.errors import EnvironmentProblem
from guard.core.units import Clock
from guard.media.forwarder import Forwarder, UnitForwarder
from guard.media.relays.packets import PacketForwarder
from guard.media.relays.transcode import TranscodeForwarder
from guard.media.transport import check_packet_sender

logger = structlog.get_logger(__name__)


def open_forwarder(settings: MediaSettings, clock: Clock) -> Forwarder[Any]:
    """The relay that the settings name."""
    if settings.relay == "rtp":
        return PacketForwarder(clock)
    if settings.relay == "transcode":
        return TranscodeForwarder(settings, clock)
    return UnitForwarder(settings.forward_queue_units, clock)


def usable_relay(settings: MediaSettings) -> MediaSettings:
    """The settings, with ``relay = "frame"`` where the installed aiortc cannot be made to send packets."""
    if settings.relay == "rtp":
        try:
            check_packet_sender()
        except EnvironmentProblem as problem:
            logger.warning("packets cannot be forwarded as they come; pictures are", reason=str(problem))
            settings = settings.model_copy(update={"relay": "frame"})
    logger.info("subscribers are sent", relay=settings.relay)
    return settings
