"""Sign-in with an identity provider, in two steps with the provider's own page between them. Layer 5.

No cookie is set: the page keeps the secret of the first step in session storage and sends it with the
second. server/README.md describes the flow.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, Field, SecretStr
from starlette.requests import Request
from starlette.types import ASGIApp

from aura_local.errors import AuthenticationFailed, ConfigurationError, NotFound
from aura_server.account_routes import SignedIn, signed_in
from aura_server.json_body import RequestBody, read_json
from aura_server.operations import Operation, json_answer

if TYPE_CHECKING:
    from aura_local.accounts.identity_provider import IdentityProvider
    from aura_local.accounts.sign_in_attempts import SignInAttempts
    from aura_local.administration.identity_logins import IdentityLogins
    from aura_local.engine import Engine

SECRET_FILE_BYTES: Final = 4096


class OidcStart(BaseModel):
    """Keep `secret` in session storage, then go to `url`."""

    url: str
    secret: str
    expires_in_s: int


class OidcFinish(RequestBody):
    """What the provider sent back to the page, and the secret that the page kept."""

    code: SecretStr = Field(min_length=1, max_length=4096)
    state: SecretStr = Field(min_length=1, max_length=200)
    secret: SecretStr = Field(min_length=1, max_length=200)


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the two steps need."""

    provider: IdentityProvider
    attempts: SignInAttempts
    logins: IdentityLogins


def open_sign_in(engine: Engine) -> SignIn:
    """Put together what the settings describe; nothing is asked of the provider yet.

    Raises `ModelMissing` where the extra is not installed, and `ConfigurationError`.
    """
    from aura_local.accounts.identified import Identified
    from aura_local.accounts.identity_provider import IdentityProvider
    from aura_local.accounts.sign_in_attempts import SignInAttempts
    from aura_local.administration.identity_logins import IdentityLogins
    from aura_local.audit.chain import PLATFORM
    from aura_local.egress_permits import EgressPermits
    from aura_server.oidc_client import ProviderConnection, audited

    settings = engine.settings.oidc
    permits = EgressPermits(audited(engine.audit_log(PLATFORM)))
    connection = ProviderConnection(permits, private_allowed=settings.private_network)
    provider = IdentityProvider(settings, read_secret(settings.client_secret_file), connection)
    identified = Identified(engine.catalog.database)
    logins = IdentityLogins(engine.catalog, identified, engine.accounts.logins, settings)
    return SignIn(provider, SignInAttempts(lifetime_s=engine.settings.credentials.provider_sign_in_s), logins)


def read_secret(path: Path | None) -> str | None:
    """The client's secret. Raises `ConfigurationError` for a file that others may read, or that has none."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ConfigurationError("oidc.client_secret_file: others may read it; chmod 600 it.")
            content = file.read(SECRET_FILE_BYTES + 1)
    except OSError as error:
        problem = os.strerror(error.errno or 0)
        raise ConfigurationError(f"oidc.client_secret_file cannot be read: {problem}.") from error
    secret = content.strip()
    if not secret or len(secret) > SECRET_FILE_BYTES or not secret.isascii():
        raise ConfigurationError("oidc.client_secret_file does not hold a secret.")
    return secret.decode("ascii")


def oidc_operations(engine: Engine) -> list[Operation]:
    """Both steps; where no provider is configured they answer 404, and nothing is imported."""
    opened: list[SignIn] = []

    def sign_in() -> SignIn:
        if engine.settings.oidc.issuer is None:
            raise NotFound("No identity provider is configured here.", code="oidc_not_configured")
        if not opened:
            opened.append(open_sign_in(engine))
        return opened[0]

    async def start(_request: Request) -> ASGIApp:
        steps = sign_in()
        attempt = steps.attempts.begin()
        lifetime_s = int(steps.attempts.lifetime_s)
        url = await steps.provider.authorization_url(attempt)
        return json_answer(OidcStart(url=url, secret=attempt.secret, expires_in_s=lifetime_s))

    async def finish(request: Request) -> ASGIApp:
        steps = sign_in()
        asked = await read_json(request, OidcFinish)
        try:
            attempt = steps.attempts.finish(asked.state.get_secret_value(), asked.secret.get_secret_value())
            identity = await steps.provider.identity(asked.code.get_secret_value(), attempt)
            tokens = await steps.logins.log_in(identity)
        except AuthenticationFailed:
            await steps.logins.refused()
            raise
        return signed_in(tokens)

    return [
        Operation(
            "POST",
            "/api/oidc/start",
            "Begin to sign in with the identity provider.",
            {200: OidcStart},
            for_anyone=start,
            failures=(404, 429, 503),
        ),
        Operation(
            "POST",
            "/api/oidc/finish",
            "Sign in with what the identity provider sent back.",
            {200: SignedIn},
            for_anyone=finish,
            failures=(400, 401, 403, 404, 415, 429, 503),
            body=OidcFinish,
        ),
    ]
