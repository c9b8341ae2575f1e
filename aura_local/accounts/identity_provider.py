"""Sign-in at an OpenID Connect provider: authorization code flow with PKCE. Layer 2.

Knows the protocol and nothing of the network: `exchange` carries the requests. Needs the extra `oidc`.
https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, Literal, TypeAlias

import anyio

from aura_local.accounts.id_tokens import Expectation, Identity, JsonWebKey, identity_from, key_id_of
from aura_local.accounts.moments import Now, utc_now
from aura_local.accounts.provider_errors import not_accepted, not_available
from aura_local.accounts.provider_keys import ProviderKeys
from aura_local.accounts.provider_metadata import (
    WELL_KNOWN,
    ProviderMetadata,
    json_object,
    metadata_from,
    signing_keys_from,
)
from aura_local.accounts.sign_in_attempts import SignInAttempt
from aura_local.errors import ModelMissing
from aura_local.settings import OidcSettings

DEADLINE_S: Final = 10.0
"""For everything that one step of a sign-in asks of the provider, together."""

METADATA_KEPT_S: Final = 3600.0
RETRY_PAUSE_S: Final = 5.0
"""After a discovery that failed; strangers can begin sign-ins as they like."""

SCOPE: Final = "openid email profile"


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """One HTTP request to the provider."""

    method: Literal["GET", "POST"]
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class ProviderReply:
    status: int
    body: bytes = field(repr=False)


Exchange: TypeAlias = Callable[[ProviderRequest], Awaitable[ProviderReply]]
"""Follows no redirect, bounds the reply. Raises `EngineUnavailable`."""


class IdentityProvider:
    """The provider that the settings name. Raises `ModelMissing` where the extra is not installed."""

    def __init__(
        self,
        settings: OidcSettings,
        client_secret: str | None,
        exchange: Exchange,
        *,
        now: Now = utc_now,
        clock: Callable[[], float] = time.monotonic,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        require_packages()
        assert settings.issuer is not None
        assert settings.client_id is not None
        self._issuer, self._client_id = settings.issuer, settings.client_id
        self._redirect_url = settings.redirect_url
        self._client_secret = client_secret
        self._exchange = exchange
        self._now = now
        self._clock = clock
        self._deadline_s = deadline_s
        self._keys = ProviderKeys(self._fetch_keys, clock)
        self._lock = anyio.Lock()
        self._metadata: ProviderMetadata | None = None
        self._metadata_until_s = -inf
        self._retry_at_s = -inf

    async def authorization_url(self, attempt: SignInAttempt) -> str:
        """Where the browser goes to sign in. Raises `EngineUnavailable`."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # type: ignore[import-untyped]
        from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

        with self._deadline():
            metadata = await self._discovered()
        url: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            self._client_id,
            "code",
            redirect_uri=self._redirect_url,
            scope=SCOPE,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return url

    async def identity(self, code: str, attempt: SignInAttempt) -> Identity:
        """Who signed in, for the code that came back. Raises `AuthenticationFailed`, `EngineUnavailable`."""
        with self._deadline():
            metadata = await self._discovered()
            tokens = await self._redeem(metadata, code, attempt)
            id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
            if not isinstance(id_token, str):
                raise not_available("a token answer without an identity token")
            key_id = key_id_of(id_token)
            async with self._lock:
                key = await self._keys.key(key_id)
        expected = Expectation(
            self._issuer,
            self._client_id,
            attempt.nonce,
            access_token if isinstance(access_token, str) else None,
        )
        return identity_from(id_token, key, expected, now_s=int(self._now().timestamp()))

    async def _redeem(self, metadata: ProviderMetadata, code: str, attempt: SignInAttempt) -> dict[str, Any]:
        from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        method = "client_secret_post" if metadata.secret_in_body else "client_secret_basic"
        authentication = ClientAuth(
            self._client_id, self._client_secret, "none" if self._client_secret is None else method
        )
        url, headers, body = authentication.prepare(
            "POST",
            metadata.token_endpoint,
            {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"},
            prepare_token_request(
                "authorization_code",
                redirect_uri=self._redirect_url,
                code=code,
                code_verifier=attempt.verifier,
            ),
        )
        reply = await self._exchange(ProviderRequest("POST", url, headers, body.encode()))
        if reply.status == 200:
            return json_object(reply.body)
        # RFC 6749 5.2: everything else that it can say is about us, not about the person.
        if reply.status == 400 and json_object(reply.body).get("error") == "invalid_grant":
            raise not_accepted("a code that the provider does not know")
        raise not_available(f"a token request that was answered with {reply.status}")

    async def _discovered(self) -> ProviderMetadata:
        async with self._lock:
            if self._metadata is not None and self._clock() < self._metadata_until_s:
                return self._metadata
            if self._clock() < self._retry_at_s:
                raise not_available("a discovery that has just failed")
            # Taken back on success; holds for a discovery that is cut off by the deadline, too.
            self._retry_at_s = self._clock() + RETRY_PAUSE_S
            document = await self._get(self._issuer.rstrip("/") + WELL_KNOWN)
            self._metadata = metadata_from(document, self._issuer)
            self._metadata_until_s = self._clock() + METADATA_KEPT_S
            self._retry_at_s = -inf
            return self._metadata

    async def _fetch_keys(self) -> list[JsonWebKey]:
        assert self._metadata is not None
        return signing_keys_from(await self._get(self._metadata.jwks_uri))

    async def _get(self, url: str) -> dict[str, Any]:
        reply = await self._exchange(ProviderRequest("GET", url, {"Accept": "application/json"}))
        if reply.status != 200:
            raise not_available(f"a request that was answered with {reply.status}")
        return json_object(reply.body)

    @contextmanager
    def _deadline(self) -> Iterator[None]:
        try:
            with anyio.fail_after(self._deadline_s):
                yield
        except TimeoutError as error:
            raise not_available("no answer in time") from error


def require_packages() -> None:
    """Raises `ModelMissing` naming the command that installs what sign-in by a provider needs."""
    try:
        import authlib  # type: ignore[import-untyped]
        import httpx
        import joserfc
    except ImportError as error:
        raise ModelMissing(
            "Sign-in with an identity provider needs more packages: pip install 'aura-local[oidc]'.",
            code="package_missing",
        ) from error
    del authlib, httpx, joserfc
