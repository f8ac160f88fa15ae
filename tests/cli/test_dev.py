"""What ``guard serve --dev`` adds."""

import pytest

from guard.cli.dev import lan_addresses

pytestmark = pytest.mark.media


def test_addresses_of_the_local_network_private_ones_first(monkeypatch: pytest.MonkeyPatch):
    there = ("8.8.4.4", "2001:db8::7", "192.168.1.9", "169.254.7.7", "10.0.0.3", "10.0.0.3", "127.0.0.2")
    monkeypatch.setattr("guard.media.transport.machine_addresses", lambda: there)
    assert lan_addresses() == ("10.0.0.3", "192.168.1.9", "8.8.4.4")
