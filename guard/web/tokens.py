"""Join tokens: JWT (RFC 7519) with room grants, HS256."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from guard.config import WebSettings
from guard.core.errors import ConfigError, SignallingError
from guard.core.units import Seconds

ALGORITHM = "HS256"
KEY_BYTES = 32
MAKE_KEY = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
TOKEN_BYTES = 8192
LONGEST = 200
"""Characters of a subject or a name."""

ROOM = re.compile(r"[A-Za-z0-9_-]{1,64}")


class TokenError(SignallingError):
    """The token is missing, malformed, expired or for somebody else."""


class MissingTokenError(TokenError):
    """The request holds no token at all."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the bearer of a token may do."""

    subject: str
    """Who they are to whoever gave them the token; personal, so it travels in payloads only."""
    name: str
    """What they are called, by the claim ``name``, else the subject; not unique, and personal too."""
    room: str
    publish: bool
    subscribe: bool
    admin: bool
    token_id: str
    """The token's ``jti``."""
    expires_at: float
    """POSIX seconds."""

    @property
    def owner(self) -> str:
        """To whom sessions in the room belong: every token of the same ``sub``, so a renewed one too."""
        return self.subject


class TokenIssuer:
    """Makes and checks join tokens with one key.

    Raises ConfigError for a key shorter than 32 bytes (RFC 7518 section 3.2).
    """

    def __init__(self, key: str, audience: str) -> None:
        if len(key.encode()) < KEY_BYTES:
            msg = f"web.token_key: expected at least {KEY_BYTES} bytes, got {len(key.encode())}; {MAKE_KEY}"
            raise ConfigError(msg)
        self._key = key
        self._audience = audience

    def issue(
        self,
        subject: str,
        room: str,
        *,
        now: float,
        name: str = "",
        lifetime: Seconds = 3600,
        publish: bool = False,
        subscribe: bool = False,
        admin: bool = False,
    ) -> str:
        """Make a token that is good for ``lifetime`` seconds from ``now`` (POSIX seconds).

        Sessions belong to the ``subject``: no two people may share one. ``name`` is shown to people, else the
        subject is. Raises SignallingError for a subject that is empty or too long, or a room that no
        address can name.
        """
        if len(subject) > LONGEST or len(name) > LONGEST:
            msg = f"token: expected a subject and a name of at most {LONGEST} characters, got longer ones"
            raise SignallingError(msg)
        if not subject or not ROOM.fullmatch(room):
            msg = (
                f"token: expected a subject and a room of 1 to 64 characters A-Z a-z 0-9 _ -, "
                f"got subject {subject!r} and room {room!r}"
            )
            raise SignallingError(msg)
        grant = {"room": room, "publish": publish, "subscribe": subscribe, "admin": admin}
        claims = {
            "sub": subject,
            "aud": self._audience,
            "exp": int(now + lifetime),
            "jti": secrets.token_urlsafe(16),
            "guard": grant,
        }
        if name:
            claims["name"] = name
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def check(self, token: str) -> Grant:
        """Read a token; raise TokenError that says what is wrong with it."""
        if len(token) > TOKEN_BYTES:
            msg = f"token: expected at most {TOKEN_BYTES} bytes, got {len(token)}"
            raise TokenError(msg)
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                options={"require": ["exp", "aud", "sub", "jti"]},
            )
        except jwt.PyJWTError as error:
            msg = f"token refused: {error}; ask for a new one from whoever runs this node"
            raise TokenError(msg) from error
        return _grant(claims)


def open_issuer(web: WebSettings) -> TokenIssuer:
    """The issuer with the configured key; raise ConfigError, which says how to make one."""
    if web.token_key is None:
        msg = (
            f"web.token_key: expected a key of at least {KEY_BYTES} bytes, got none; {MAKE_KEY} and set "
            f"GUARD__WEB__TOKEN_KEY to it, or GUARD__WEB__TOKEN_KEY_FILE to the path of a file that holds it"
        )
        raise ConfigError(msg)
    return TokenIssuer(web.token_key.get_secret_value(), web.token_audience)


def one_time_issuer(web: WebSettings) -> TokenIssuer:
    """An issuer with a key of its own, whose tokens end with the process."""
    return TokenIssuer(secrets.token_urlsafe(48), web.token_audience)


def _grant(claims: Mapping[str, Any]) -> Grant:
    guard = claims.get("guard")
    if not isinstance(guard, Mapping) or not isinstance(guard.get("room"), str):
        msg = "token refused: expected a `guard` claim with a room, such as {room, publish, subscribe}"
        raise TokenError(msg)
    if not claims["sub"] or not claims["jti"]:
        msg = "token refused: expected `sub` and `jti` with a text each, got an empty one; ask for a new one"
        raise TokenError(msg)
    return Grant(
        subject=str(claims["sub"]),
        name=_name(claims) or str(claims["sub"]),
        room=guard["room"],
        publish=guard.get("publish") is True,
        subscribe=guard.get("subscribe") is True,
        admin=guard.get("admin") is True,
        token_id=str(claims["jti"]),
        expires_at=float(claims["exp"]),
    )


def _name(claims: Mapping[str, Any]) -> str:
    name = claims.get("name")
    return name if isinstance(name, str) else ""
