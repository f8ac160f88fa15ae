"""Join tokens."""

import jwt
import pytest
from pydantic import SecretStr

from guard.config import WebSettings
from guard.core.errors import ConfigError, SignallingError
from guard.web.tokens import TOKEN_BYTES, TokenError, TokenIssuer, one_time_issuer, open_issuer

pytestmark = pytest.mark.unit

KEY = "k" * 48
HERE = "here"
NOW = 4_000_000_000.0  # PyJWT compares with the machine's date, so a date that stays in the future


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer(KEY, "call-guard")


def forged(**changes: object) -> str:
    claims: dict[str, object] = {
        "sub": "ada",
        "aud": "call-guard",
        "exp": NOW,
        "jti": "1",
        "guard": {"room": "demo", "publish": True},
    }
    return jwt.encode({k: v for k, v in (claims | changes).items() if v is not None}, KEY, algorithm="HS256")


def test_grants_survive_the_trip(issuer: TokenIssuer) -> None:
    grant = issuer.check(issuer.issue("ada", "demo", now=NOW, publish=True))
    assert (grant.subject, grant.room, grant.publish, grant.subscribe, grant.admin) == (
        "ada",
        "demo",
        True,
        False,
        False,
    )
    assert grant.expires_at == NOW + 3600


@pytest.mark.parametrize(("name", "shown"), [("Ada", "Ada"), ("", "crm-42")])
def test_a_name_is_no_identity(issuer: TokenIssuer, name: str, shown: str) -> None:
    grant = issuer.check(issuer.issue("crm-42", "demo", now=NOW, name=name))
    assert (grant.name, grant.subject, grant.owner) == (shown, "crm-42", "crm-42")


def test_a_name_that_is_no_text_is_none() -> None:
    assert TokenIssuer(KEY, "call-guard").check(forged(name=5)).name == "ada"


def test_every_token_has_an_id_of_its_own(issuer: TokenIssuer) -> None:
    ids = {issuer.check(issuer.issue("ada", "demo", now=NOW)).token_id for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("missing", ["exp", "aud", "sub", "jti", "guard"])
def test_a_required_claim_is_missing(issuer: TokenIssuer, missing: str) -> None:
    with pytest.raises(TokenError, match=missing):
        issuer.check(forged(**{missing: None}))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"aud": "somebody-else"},
        {"guard": {"publish": True}},
        {"guard": "demo"},
        {"guard": {"room": 5}},
        {"sub": ""},
        {"sub": 7},
        {"jti": ""},
    ],
)
def test_a_claim_is_wrong(issuer: TokenIssuer, changes: dict[str, object]) -> None:
    with pytest.raises(TokenError, match="token refused"):
        issuer.check(forged(**changes))


def test_only_true_grants() -> None:
    grant = TokenIssuer(KEY, "call-guard").check(forged(guard={"room": "demo", "publish": "yes", "admin": 1}))
    assert not grant.publish
    assert not grant.admin


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        jwt.encode({"sub": "ada"}, "other" * 12, algorithm="HS256"),
        jwt.encode({"sub": "ada", "aud": "call-guard", "exp": NOW, "jti": "1"}, "", algorithm="none"),
        jwt.encode({"sub": "ada", "aud": "call-guard", "exp": NOW, "jti": "1"}, KEY * 2, algorithm="HS512"),
        "x" * (TOKEN_BYTES + 1),
    ],
)
def test_a_token_is_no_token_of_ours(issuer: TokenIssuer, token: str) -> None:
    with pytest.raises(TokenError):
        issuer.check(token)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 32 bytes, got 31"):
        TokenIssuer("k" * 31, "call-guard")


def test_a_missing_key_is_refused_with_how_to_make_one():
    with pytest.raises(ConfigError, match=r"secrets\.token_urlsafe.*GUARD__WEB__TOKEN_KEY_FILE"):
        open_issuer(WebSettings())


def test_the_configured_key_and_audience_are_used():
    web = WebSettings(token_key=SecretStr(KEY), token_audience=HERE)
    token = open_issuer(web).issue("ada", "demo", now=NOW)
    assert TokenIssuer(KEY, HERE).check(token).subject == "ada"


def test_a_one_time_key_is_another_each_time():
    token = one_time_issuer(WebSettings()).issue("ada", "demo", now=NOW)
    with pytest.raises(TokenError, match="token refused"):
        one_time_issuer(WebSettings()).check(token)


def test_a_renewed_token_owns_the_same_sessions(issuer: TokenIssuer):
    first, second = (issuer.check(issuer.issue("ada", "demo", now=NOW)) for _ in range(2))
    assert first.token_id != second.token_id
    assert first.owner == second.owner


@pytest.mark.parametrize(("name", "room"), [("", "demo"), ("ada", ""), ("ada", "a b"), ("ada", "x" * 65)])
def test_no_token_for_nobody_or_nowhere(issuer: TokenIssuer, name: str, room: str):
    with pytest.raises(SignallingError, match="expected a subject and a room"):
        issuer.issue(name, room, now=NOW)


@pytest.mark.parametrize(("subject", "name"), [("x" * 201, ""), ("ada", "x" * 201)])
def test_an_overlong_name_makes_no_token(issuer: TokenIssuer, subject: str, name: str) -> None:
    with pytest.raises(SignallingError, match="at most 200 characters"):
        issuer.issue(subject, "demo", now=NOW, name=name)
