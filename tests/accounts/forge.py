"""Tokens as an attacker would make them, with the real key or another."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

from aura_local.accounts.signed_tokens import API_AUDIENCE
from aura_local.accounts.signing_keys import SigningKey
from aura_local.accounts.users import User
from aura_local.errors import AuthenticationFailed
from tests.accounts.world import World

Change = Callable[[dict[str, Any]], object]


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: Any, secret: bytes, *, hash_name: str = "sha256") -> str:
    """A token made without the library, because that would refuse to make some of these."""
    signing_input = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{signing_input}.{encoded(hmac.digest(secret, signing_input.encode(), hash_name))}"


class Forge:
    """Makes tokens as the product does, with one thing changed."""

    def __init__(self, world: World, key: SigningKey, user: User) -> None:
        self.world, self.key, self.user = world, key, user
        now_s = int(world.clock.moment.timestamp())
        self.header: dict[str, Any] = {"alg": "HS256", "typ": "JWT", "kid": key.id}
        self.claims: dict[str, Any] = {
            "iss": "aura-local",
            "aud": API_AUDIENCE,
            "sub": user.id,
            "jti": "0" * 16,
            "iat": now_s,
            "exp": now_s + 600,
            "epo": user.epoch,
            "tid": user.tenant_id,
        }

    def token(self, *, header: Change | None = None, claims: Change | None = None) -> str:
        parts = (dict(self.header), dict(self.claims))
        for part, change in zip(parts, (header, claims), strict=True):
            if change is not None:
                change(part)
        return signed(*parts, self.key.secret)

    async def refused(self, token: str) -> None:
        with pytest.raises(AuthenticationFailed) as caught:
            await self.world.authenticator.authenticate(token)
        assert caught.value.message == "The credential is missing, malformed, unknown, expired or revoked."
