"""Short-lived signed tokens (JWT): one algorithm, our own keys, nothing that the token can choose. Layer 2.

A token names its key by `kid`, which is looked up in the ring and used for nothing else. Headers that would
tell the reader where to find a key or what else to understand (`jwk`, `jku`, `x5u`, `crit`) are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aura_local.accounts.moments import Now, utc_now
from aura_local.accounts.random_secrets import new_id
from aura_local.accounts.refusal import refusal
from aura_local.accounts.signing_keys import CLOCK_LEEWAY_S, SigningKey, SigningKeys

ALGORITHM: Final = "HS256"
ISSUER: Final = "aura-local"
API_AUDIENCE: Final = "aura-local/api"
VISITOR_AUDIENCE: Final = "aura-local/visitor"

TOKEN_LIMIT_CHARACTERS: Final = 4_096
"""Ours have about 400; nothing longer is parsed."""

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_HEADERS = {"alg", "typ", "kid"}
_REQUIRED = ("exp", "iat", "aud", "iss", "sub", "jti")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says."""

    audience: str
    subject: str
    expires_at: float
    """Unix time in seconds, UTC."""
    more: Mapping[str, Any] = field(repr=False)
    """All claims, as they were signed."""


def looks_like_token(presented: str) -> bool:
    """Whether it can be one of ours; looks at nothing that is too long."""
    return len(presented) <= TOKEN_LIMIT_CHARACTERS and _SHAPE.fullmatch(presented) is not None


class SignedTokens:
    """Signs and verifies."""

    def __init__(self, keys: SigningKeys, *, now: Now = utc_now) -> None:
        self._keys = keys
        self._now = now

    async def sign(self, audience: str, subject: str, claims: Mapping[str, Any]) -> str:
        """A token that is good for as long as `keys.lifetimes` says for this audience."""
        import jwt

        key = await self._keys.current()
        issued_at = math.floor(self._now().timestamp())
        registered = {
            "iss": ISSUER,
            "aud": audience,
            "sub": subject,
            "jti": new_id(),
            "iat": issued_at,
            "exp": issued_at + self._lifetime_s(audience),
        }
        return jwt.encode({**claims, **registered}, key.secret, algorithm=ALGORITHM, headers={"kid": key.id})

    async def verify(self, token: str) -> Claims:
        """What the token says. Raises `AuthenticationFailed`, always the same."""
        import jwt

        if not looks_like_token(token):
            raise refusal()
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise refusal() from error
        if not header.keys() <= _HEADERS or header.get("alg") != ALGORITHM:
            raise refusal()
        key = await self._keys.find(header.get("kid"))
        if key is None:
            raise refusal()
        try:
            claims = jwt.decode(
                token,
                key.secret,
                algorithms=[ALGORITHM],
                audience=[API_AUDIENCE, VISITOR_AUDIENCE],
                issuer=ISSUER,
                # The times are compared below, with our clock instead of the library's.
                options={
                    "require": list(_REQUIRED),
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidTokenError as error:
            raise refusal() from error
        if "nbf" in claims or not isinstance(claims["aud"], str) or not self._is_in_time(claims, key):
            raise refusal()
        return Claims(claims["aud"], claims["sub"], float(claims["exp"]), claims)

    def _is_in_time(self, claims: Mapping[str, Any], key: SigningKey) -> bool:
        issued_at, expires_at = claims["iat"], claims["exp"]
        if type(issued_at) is not int or type(expires_at) is not int:
            return False
        if expires_at - issued_at > self._lifetime_s(claims["aud"]):
            return False
        if key.signs_until_s is not None and issued_at > key.signs_until_s:
            return False
        now_s = self._now().timestamp()
        return issued_at <= now_s + CLOCK_LEEWAY_S and now_s < expires_at

    def _lifetime_s(self, audience: str) -> int:
        lifetimes = self._keys.lifetimes
        return lifetimes.visitor_s if audience == VISITOR_AUDIENCE else lifetimes.access_s
