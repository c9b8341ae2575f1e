"""API keys: 256 random bits, shown once, kept as a prefix and a SHA-256. Layer 2.

`aura_<12 characters>_<43 characters>`: the first part finds the row, the whole is compared by digest. A
random key needs no slow password hash: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from aura_local.accounts.principal import Principal
from aura_local.errors import AuthenticationFailed, Busy, NotFound, StorageFull
from aura_local.storage.catalog import Catalog

CACHE_S = 1.0
"""How long a good answer is reused: a revoked key stops working within this time."""

CACHE_ENTRIES = 1_024

_PREFIX_CHARACTERS = string.ascii_lowercase + string.digits
_KEY = re.compile(r"aura_([a-z0-9]{12})_[A-Za-z0-9_-]{43}")
_NO_DIGEST = bytes(32)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key, the only time that it exists outside its owner's hands."""

    id: str
    key: str = field(repr=False)
    prefix: str


async def issue(catalog: Catalog, tenant_id: str, label: str) -> IssuedKey:
    """Make an API key for a tenant; durable on return. Raises NotFound for an unknown tenant."""
    prefix = "".join(secrets.choice(_PREFIX_CHARACTERS) for _ in range(12))
    key = f"aura_{prefix}_{secrets.token_urlsafe(32)}"
    row = await catalog.add_api_key(tenant_id, label, prefix, _digest(key))
    return IssuedKey(row.id, key, prefix)


async def authenticate(catalog: Catalog, presented: str) -> Principal:
    """The principal behind an API key.

    Raises AuthenticationFailed, always the same, for a malformed, unknown or revoked key.
    """
    shape = _KEY.fullmatch(presented)
    if shape is None:
        raise _refusal()
    try:
        key = await catalog.find_api_key(shape[1])
    except NotFound:
        key = None
    # Compared in any case, so that the time taken does not tell a known prefix from an unknown one.
    matches = hmac.compare_digest(_digest(presented), _NO_DIGEST if key is None else key.digest)
    if key is None or not matches or key.revoked_at is not None:
        raise _refusal()
    with suppress(StorageFull, Busy):  # when it was last used is not worth refusing a good key
        await catalog.touch_api_key(key.id)
    return Principal(key.tenant_id, key.id, key.label)


class Authenticator:
    """`authenticate` with a memory of `CACHE_S`, for servers that see the same key many times a second."""

    def __init__(self, catalog: Catalog, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._catalog = catalog
        self._clock = clock
        self._known: dict[bytes, tuple[Principal, float]] = {}
        """By digest, in the order of expiry; keys themselves are not kept."""

    async def authenticate(self, presented: str) -> Principal:
        """Like the function; an answer is at most `CACHE_S` old. Refusals are not remembered."""
        # Taken before the look-up: a revocation during it must not be outlived by a whole second.
        now_s = self._clock()
        digest = _digest(presented)
        known = self._known.get(digest)
        if known is not None and now_s < known[1]:
            return known[0]
        self._known.pop(digest, None)
        principal = await authenticate(self._catalog, presented)
        self._forget_expired(now_s)
        self._known[digest] = (principal, now_s + CACHE_S)
        return principal

    def _forget_expired(self, now_s: float) -> None:
        for digest, (_, expiry_s) in list(self._known.items()):
            if expiry_s > now_s and len(self._known) < CACHE_ENTRIES:
                break
            del self._known[digest]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _refusal() -> AuthenticationFailed:
    return AuthenticationFailed("The API key is missing, malformed, unknown or revoked.")
