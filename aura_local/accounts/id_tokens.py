"""Identity tokens: who somebody is, in the signed words of an identity provider. Layer 2.

Signatures are checked by joserfc, claims by authlib's rules for the code flow. Needs the extra `oidc`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from aura_local.accounts.provider_errors import not_accepted
from aura_local.accounts.written_names import NAME_LIMIT_CHARACTERS, checked_email, checked_name
from aura_local.errors import InvalidRequest

JsonWebKey: TypeAlias = Mapping[str, Any]

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Public keys only: with HS256 everybody who knows a public key could sign, with none everybody could."""

TOKEN_LIMIT_CHARACTERS: Final = 32_768

LEEWAY_S: Final = 60
"""What the provider's clock and ours may differ by."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a token must say."""

    issuer: str
    client_id: str
    nonce: str = field(repr=False)
    access_token: str | None = field(repr=False)
    """The one that came with it; where the token has a digest of it, they must agree."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A person that the provider has recognised and whose e-mail address it has verified."""

    email: str = field(repr=False)
    name: str = field(repr=False)


def key_id_of(token: str) -> str | None:
    """Which key the token says it is signed with; None where it does not say.

    Raises `AuthenticationFailed` for what is no token, or one that is not signed with a public key.
    """
    head, dot, _ = token.partition(".")
    if len(token) > TOKEN_LIMIT_CHARACTERS or not dot:
        raise not_accepted("an identity token that is none")
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise not_accepted("an identity token that is none") from error
    if not isinstance(header, dict) or header.get("alg") not in ALGORITHMS:
        raise not_accepted("an identity token signed in a way that is not accepted")
    key_id = header.get("kid")
    if key_id is not None and not isinstance(key_id, str):
        raise not_accepted("an identity token that is none")
    return key_id


def identity_from(token: str, key: JsonWebKey, expected: Expectation, *, now_s: int) -> Identity:
    """Who the token is about; `now_s` is the time in seconds since 1970.

    Raises `AuthenticationFailed` for a wrong signature, issuer, audience, nonce or time, and for an e-mail
    address that is missing or that the provider has not verified.
    """
    from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    try:
        signed = jwt.decode(token, JWKRegistry.import_key(dict(key)), algorithms=list(ALGORITHMS))
        claims = CodeIDToken(
            signed.claims,
            signed.header,
            {
                "iss": {"essential": True, "value": expected.issuer},
                "aud": {"essential": True, "value": expected.client_id},
            },
            {
                "nonce": expected.nonce,
                "client_id": expected.client_id,
                "access_token": expected.access_token,
            },
        )
        claims.validate(now_s, LEEWAY_S)
    except JoseError as error:
        raise not_accepted(f"an identity token that is refused: {error.error}") from error
    except (ValueError, TypeError, RecursionError) as error:  # keys and claims of the wrong shape
        raise not_accepted("an identity token or key that cannot be read") from error
    return _identity(signed.claims)


def _identity(claims: Mapping[str, Any]) -> Identity:
    written, name = claims.get("email"), claims.get("name")
    # A text such as "true" is not true: whoever wrote it did not follow the protocol here either.
    if not isinstance(written, str) or claims.get("email_verified") is not True:
        raise not_accepted("an e-mail address that is missing or not verified")
    try:
        email = checked_email(written)
    except InvalidRequest as error:
        raise not_accepted("an e-mail address that is none") from error
    # Some other letters become plain ones when written small (the Kelvin sign): another's mailbox.
    if email.isascii() and not written.isascii():
        raise not_accepted("an e-mail address that only looks like another one")
    local_part = email.partition("@")[0]
    try:
        return Identity(email, checked_name(name[:NAME_LIMIT_CHARACTERS] if isinstance(name, str) else ""))
    except InvalidRequest:
        return Identity(email, local_part)
