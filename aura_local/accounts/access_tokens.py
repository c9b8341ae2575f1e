"""Access tokens of people: short-lived, void as soon as the person's epoch is raised. Layer 2.

Claims: `iss` "aura-local", `aud` "aura-local/api", `sub` the person, `jti`, `iat`, `exp`, `epo` the epoch
and `tid` the tenant. The last is for reading alone: the tenant of a request comes from the person's row.
"""

from __future__ import annotations

from aura_local.accounts.holders import user_principal
from aura_local.accounts.principal import Principal
from aura_local.accounts.refusal import refusal
from aura_local.accounts.signed_tokens import API_AUDIENCE, Claims, SignedTokens
from aura_local.accounts.users import User
from aura_local.storage.database import Database


async def sign_access_token(tokens: SignedTokens, user: User) -> str:
    """A token for this person as of the epoch in `user`."""
    return await tokens.sign(API_AUDIENCE, user.id, {"tid": user.tenant_id, "epo": user.epoch})


async def access_principal(database: Database, claims: Claims) -> Principal:
    """The person behind verified claims, as the database knows them now.

    Raises `AuthenticationFailed` for claims of another kind, and what `user_principal` raises.
    """
    epoch = claims.more.get("epo")
    if claims.audience != API_AUDIENCE or type(epoch) is not int:
        raise refusal()
    return await database.read(
        lambda connection: user_principal(connection, claims.subject, epoch, claims.expires_at)
    )
