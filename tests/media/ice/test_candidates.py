import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.media.ice.candidates import CandidatePolicy, Scope, scope_of, told_address

pytestmark = pytest.mark.unit

DENIED = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "224.0.0.251",
    "239.255.255.250",
    "ff02::fb",
    "0.0.0.0",  # noqa: S104 -- nothing is bound
    "0.1.2.3",
    "::",
    "255.255.255.255",
    "240.0.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "fd00:ec2::254",
    "fd00:ec2::254%1",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::ffff:224.0.0.1",
    "64:ff9b::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "::10.0.0.1",
    "",
    "localhost",
    "1f4712db-ea17-4bcf-a596-105139dfd8bf.local",
    "2130706433",
    "0x7f.1",
]
LOOPBACK = ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::"]
PRIVATE = [
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "192.0.0.4",
    "fd00::1",
    "fc00::1",
    "fec0::1",
    "::ffff:10.0.0.1",
    "2002:a00:1::",
]
PUBLIC = ["8.8.8.8", "172.32.0.1", "192.0.2.7", "2001:db8::1", "2606:4700::1111", "::ffff:8.8.8.8"]


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


@pytest.mark.parametrize(
    ("own", "allowed"),
    [
        (["203.0.113.5"], False),
        (["203.0.113.5", "2001:db8::5"], False),
        (["203.0.113.5", "10.0.0.5"], True),
        (["fd00::5"], True),
        (["100.64.3.4"], True),
        (["127.0.0.1"], True),
        (["127.0.0.1", "::1"], True),
        (["127.0.0.1", "203.0.113.5"], False),
        ([], False),
    ],
)
def test_private_candidates_are_used_by_a_node_on_a_private_network(own: list[str], *, allowed: bool):
    policy = CandidatePolicy.of(own, allow_loopback=False)
    assert [policy.allows(address) for address in PRIVATE] == [allowed] * len(PRIVATE)
    assert all(policy.allows(address) for address in PUBLIC)


@pytest.mark.parametrize("own", ["203.0.113.5", "10.0.0.5", "127.0.0.1"])
def test_loopback_is_used_where_it_was_asked_for_and_the_rest_never(own: str):
    for asked in (False, True):
        policy = CandidatePolicy.of([own], allow_loopback=asked)
        assert [policy.allows(address) for address in LOOPBACK] == [asked] * len(LOOPBACK)
        assert not any(policy.allows(address) for address in DENIED)


@pytest.mark.parametrize(
    ("own", "public", "told"),
    [
        ("10.0.0.5", "203.0.113.5", "203.0.113.5"),
        ("127.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("198.51.100.7", "203.0.113.5", "198.51.100.7"),
        ("fd00::5", "203.0.113.5", "fd00::5"),
        ("fd00::5", "2001:db8::5", "2001:db8::5"),
        ("10.0.0.5", None, "10.0.0.5"),
    ],
)
def test_callers_are_told_the_public_address_of_a_private_one(own: str, public: str | None, told: str):
    assert told_address(own, public) == told
