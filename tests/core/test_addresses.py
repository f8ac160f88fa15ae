import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.core.addresses import Scope, is_loopback, scope_of, without_secrets
from tests.support.addresses import DENIED, LOOPBACK, PRIVATE, PUBLIC

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("scope", "address"),
    [
        (scope, address)
        for scope, addresses in (
            (Scope.DENIED, DENIED),
            (Scope.LOOPBACK, LOOPBACK),
            (Scope.PRIVATE, PRIVATE),
            (Scope.PUBLIC, PUBLIC),
        )
        for address in addresses
    ],
)
def test_every_address_has_its_scope(scope: Scope, address: str):
    assert scope_of(address) is scope


@given(st.text() | st.ip_addresses().map(str))
def test_any_text_has_a_scope(text: str):
    assert scope_of(text) in Scope


@pytest.mark.parametrize("host", [*LOOPBACK, "localhost", "LocalHost"])
def test_what_stays_on_this_machine_is_known(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "loopback.example", "", *PRIVATE, *PUBLIC])  # noqa: S104 -- must not count
def test_what_leaves_this_machine_is_known(host: str):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://guard.example:8443/whip/a", "https://guard.example:8443/whip/a"),
        ("https://ada:hunter2@guard.example/whip/a?token=hunter2#hunter2", "https://guard.example/whip/a"),
        ("http://ada:hun@ter2@[2001:db8::1]:80/", "http://[2001:db8::1]:80/"),
        ("ada:hunter2@guard.example/whip/a?token=hunter2", "guard.example/whip/a"),
        ("http://ada:hunter2@[/whip/a", "an address that is none"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str):
    assert without_secrets(url) == shown
