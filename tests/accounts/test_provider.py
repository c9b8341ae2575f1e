"""What is kept of sign-ins and of an identity provider, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from aura_local.accounts.id_tokens import JsonWebKey
from aura_local.accounts.provider_keys import ProviderKeys
from aura_local.accounts.provider_metadata import metadata_from, signing_keys_from
from aura_local.accounts.sign_in_attempts import SignInAttempt, SignInAttempts
from aura_local.errors import AuthenticationFailed, EngineUnavailable

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://login.example/"},
        {"token_endpoint": "http://login.example/token"},
        {"token_endpoint": "http://127.0.0.1/token"},
        {"token_endpoint": "https://127.0.0.2/token"},
        {"token_endpoint": "https://user@login.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
        {"token_endpoint": "https://["},
        {"token_endpoint_auth_methods_supported": 7},
    ],
    ids=str,
)
async def test_a_discovery_document_that_leads_astray_is_refused(document: dict[str, Any]) -> None:
    issuer = "https://login.example"
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    good: dict[str, Any] = {"issuer": issuer, **{name: f"https://{name[0]}.example/" for name in names}}
    assert metadata_from(good, issuer).jwks_uri == "https://j.example/"
    with pytest.raises(EngineUnavailable):
        metadata_from(good | document, issuer)


async def test_weak_and_symmetric_keys_are_left_out() -> None:
    strong = {"kty": "RSA", "n": "n" * 342, "e": "AQAB", "kid": "strong"}
    weak = {"kty": "RSA", "n": "n" * 171, "e": "AQAB", "kid": "weak"}
    others = [{"kty": "oct", "k": "AAAA"}, {**strong, "use": "enc"}, {"kty": "RSA"}, 7]
    assert signing_keys_from({"keys": [weak, *others, strong]}) == [strong]
    with pytest.raises(EngineUnavailable):
        signing_keys_from({"keys": "none"})


async def test_keys_are_asked_for_again_after_an_hour_and_missing_ones_once_a_minute() -> None:
    now_s, fetched = 0.0, 0

    async def fetch() -> list[JsonWebKey]:
        nonlocal fetched
        fetched += 1
        return [{"kid": "only"}]

    keys = ProviderKeys(fetch, lambda: now_s)

    async def fetches(moment_s: float, key_id: str | None) -> int:
        nonlocal now_s
        now_s = moment_s
        if key_id == "missing":
            with pytest.raises(AuthenticationFailed):
                await keys.key(key_id)
        else:
            assert await keys.key(key_id) == {"kid": "only"}
        return fetched

    assert [await fetches(0, "only"), await fetches(3599, None), await fetches(3600, "only")] == [1, 1, 2]
    assert [await fetches(at_s, "missing") for at_s in (3601, 3602, 3660, 3661)] == [3, 3, 3, 4]


async def test_attempts_end_and_their_number_is_bounded() -> None:
    now_s = 0.0
    attempts = SignInAttempts(lambda: now_s, most=3)

    def good(attempt: SignInAttempt) -> bool:
        try:
            return attempts.finish(attempt.state, attempt.secret) == attempt
        except AuthenticationFailed:
            return False

    early, late = attempts.begin(), attempts.begin()
    now_s = 599.9
    assert good(early)
    now_s = 600.0
    assert not good(late)
    begun = [attempts.begin() for _ in range(5)]
    assert len(attempts) == 3
    assert [good(attempt) for attempt in begun] == [False, False, True, True, True]
    assert begun[0].state not in repr(begun[0])
    assert begun[0].secret not in repr(begun[0])
