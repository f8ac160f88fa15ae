import pytest

from guard.media.ice.candidates import CandidatePolicy, told_address
from tests.support.addresses import DENIED, LOOPBACK, PRIVATE, PUBLIC

pytestmark = pytest.mark.unit


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
