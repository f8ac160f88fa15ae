"""``guard token``."""

import pytest

from guard.web.tokens import TokenIssuer
from tests.support.command import Command

pytestmark = pytest.mark.unit

KEY = "k" * 48


def test_a_token_of_the_configured_key(guard: Command):
    done = guard(
        "token",
        "--room",
        "standup",
        "--name",
        "Ada",
        "--publish",
        "--seconds",
        "60",
        GUARD__WEB__TOKEN_KEY=KEY,
    )
    assert done.status == 0
    grant = TokenIssuer(KEY, "call-guard").check(done.out.strip())
    assert (grant.name, grant.room) == ("Ada", "standup")
    assert (grant.publish, grant.subscribe, grant.admin) == (True, False, False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--room", "standup", "--name", "Ada"), "--publish, --subscribe or --admin"),
        (("--room", "stand up", "--name", "Ada", "--publish"), "room 'stand up'"),
        (("--room", "standup", "--name", "", "--publish"), "expected a name"),
        (("--room", "standup", "--name", "Ada", "--id", "", "--publish"), "expected a subject"),
        (
            ("--room", "standup", "--name", "Ada", "--publish", "--link", "calls.example"),
            "expected an address",
        ),
        (("--room", "standup", "--name", "Ada", "--publish", "--link", ""), "expected an address"),
        (("--room", "standup", "--name", "Ada", "--publish", "--link", "https://h/?a"), "without a query"),
        (("--room", "standup", "--name", "Ada", "--publish", "--link", "https://a:b@h"), "a password"),
    ],
)
def test_wrong_use_is_told(guard: Command, arguments: tuple[str, ...], told: str):
    done = guard("token", *arguments, GUARD__WEB__TOKEN_KEY=KEY, COLUMNS="200")
    assert done.status == 2
    assert told in done.error
    assert done.out == ""


def test_who_somebody_is_is_told_or_made_up(guard: Command):
    arguments = ("token", "--room", "standup", "--name", "Ada", "--publish")
    issuer = TokenIssuer(KEY, "call-guard")
    told = [guard(*arguments, *more, GUARD__WEB__TOKEN_KEY=KEY).out for more in ((), (), ("--id", "crm-42"))]
    first, second, known = (issuer.check(token.strip()) for token in told)
    assert len({first.subject, second.subject, "Ada"}) == 3
    assert (known.subject, known.name) == ("crm-42", "Ada")


@pytest.mark.parametrize(
    ("rights", "page"), [(("--publish",), "/join/standup#token="), (("--admin",), "/#token=")]
)
def test_a_link_opens_the_page_of_its_grant(guard: Command, rights: tuple[str, ...], page: str):
    done = guard(
        "token",
        "--room",
        "standup",
        "--name",
        "Ada",
        *rights,
        "--link",
        "https://calls.example/",
        GUARD__WEB__TOKEN_KEY=KEY,
    )
    address, _, token = done.out.strip().partition("#token=")
    assert f"{address}#token=" == f"https://calls.example{page}"
    assert TokenIssuer(KEY, "call-guard").check(token).room == "standup"


def test_without_a_key_it_says_how_to_make_one(guard: Command):
    done = guard("token", "--room", "standup", "--name", "Ada", "--publish")
    assert done.status == 1
    assert "token_urlsafe" in done.error
    assert "GUARD__WEB__TOKEN_KEY_FILE" in done.error
