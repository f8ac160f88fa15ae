"""Join tokens: JWT (RFC 7519) with room grants, HS256."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from guard.core.errors import ConfigError, SignallingError
from guard.core.units import Seconds

ALGORITHM = "HS256"
KEY_BYTES = 32
TOKEN_BYTES = 8192
ROOM = re.compile(r"[A-Za-z0-9_-]{1,64}")


class TokenError(SignallingError):
    """The token is missing, malformed, expired or for somebody else."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the bearer of a token may do."""

    subject: str
    """Display name; personal, so it travels in payloads only."""
    room: str
    publish: bool
    subscribe: bool
    admin: bool
    token_id: str
    """The token's ``jti``."""
    expires_at: float
    """POSIX seconds."""


class TokenIssuer:
    """Makes and checks join tokens with one key.

    Raises ConfigError for a key shorter than 32 bytes (RFC 7518 section 3.2).
    """

    def __init__(self, key: str, audience: str) -> None:
        if len(key.encode()) < KEY_BYTES:
            msg = (
                f"web.token_key: expected at least {KEY_BYTES} bytes, got {len(key.encode())}; "
                f"make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
            raise ConfigError(msg)
        self._key = key
        self._audience = audience

    def issue(
        self,
        subject: str,
        room: str,
        *,
        now: float,
        lifetime: Seconds = 3600,
        publish: bool = False,
        subscribe: bool = False,
        admin: bool = False,
    ) -> str:
        """Make a token that is good for ``lifetime`` seconds from ``now`` (POSIX seconds)."""
        grant = {"room": room, "publish": publish, "subscribe": subscribe, "admin": admin}
        claims = {
            "sub": subject,
            "aud": self._audience,
            "exp": int(now + lifetime),
            "jti": secrets.token_urlsafe(16),
            "guard": grant,
        }
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


def _grant(claims: Mapping[str, Any]) -> Grant:
    guard = claims.get("guard")
    if not isinstance(guard, Mapping) or not isinstance(guard.get("room"), str):
        msg = "token refused: expected a `guard` claim with a room, such as {room, publish, subscribe}"
        raise TokenError(msg)
    return Grant(
        subject=str(claims["sub"]),
        room=guard["room"],
        publish=guard.get("publish") is True,
        subscribe=guard.get("subscribe") is True,
        admin=guard.get("admin") is True,
        token_id=str(claims["jti"]),
        expires_at=float(claims["exp"]),
    )
