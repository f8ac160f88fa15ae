import time

import pytest
from aiortc.rtcdtlstransport import RTCDtlsTransport
from structlog.testing import capture_logs

from guard.config import MediaSettings
from guard.media.forwarder import UnitForwarder
from guard.media.relays.opening import open_forwarder, usable_relay
from guard.media.relays.packets import PacketForwarder

pytestmark = pytest.mark.media


def test_packets_are_forwarded_where_nothing_else_is_set():
    assert isinstance(open_forwarder(MediaSettings(), time.monotonic), PacketForwarder)
    assert isinstance(open_forwarder(MediaSettings(relay="frame"), time.monotonic), UnitForwarder)


def test_the_settings_stay_where_packets_can_be_sent():
    settings = MediaSettings()
    assert usable_relay(settings) is settings


def test_an_aiortc_without_what_packets_need_forwards_pictures_and_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(RTCDtlsTransport, "_register_rtp_sender")
    with capture_logs() as lines:
        settings = usable_relay(MediaSettings())
    assert settings.relay == "frame"
    line, said = lines
    assert said["relay"] == "frame"
    assert line["log_level"] == "warning"
    assert "RTCDtlsTransport._register_rtp_sender" in line["reason"]
