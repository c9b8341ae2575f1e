"""Sign-ins that people have begun at the identity provider: good once, for a while, in memory. Layer 2.

There is no cookie to recognise the browser by. Instead it holds a secret that never travels through the
provider nor through any address, and only whoever brings the secret can finish: a foreign page that makes a
browser follow somebody else's answer cannot sign it in as somebody else.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aura_local.accounts.provider_errors import not_accepted
from aura_local.accounts.random_secrets import digest_of, looks_like_secret, new_secret

ATTEMPT_LIFETIME_S: Final = 600.0

ATTEMPTS: Final = 10_000
"""At most so many wait for their answer (about 10 MB); beyond it the oldest are void."""


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """What begins a sign-in, and what its end is checked against."""

    state: str = field(repr=False)
    """Travels through the provider and comes back."""
    secret: str = field(repr=False)
    """Stays in the browser that began."""
    nonce: str = field(repr=False)
    """Comes back inside the identity token."""
    verifier: str = field(repr=False)
    """Whose SHA-256 the provider gets at the beginning, and itself at the end (PKCE, RFC 7636)."""


class SignInAttempts:
    """The attempts of one process."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        lifetime_s: float = ATTEMPT_LIFETIME_S,
        most: int = ATTEMPTS,
    ) -> None:
        self.lifetime_s = lifetime_s
        self._clock = clock
        self._most = most
        self._waiting: dict[bytes, tuple[SignInAttempt, float]] = {}
        """By digest of the state, in the order of expiry."""

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self) -> SignInAttempt:
        """A new attempt; only its state may leave for the provider in the clear."""
        self._make_room()
        attempt = SignInAttempt(new_secret(), new_secret(), new_secret(), new_secret())
        self._waiting[digest_of(attempt.state)] = (attempt, self._clock() + self.lifetime_s)
        return attempt

    def finish(self, state: str, secret: str) -> SignInAttempt:
        """The attempt that both belong to; it is used up even if the secret is wrong.

        Raises `AuthenticationFailed`, also the second time and after `lifetime_s`.
        """
        if not looks_like_secret(state):
            raise not_accepted("a state that is none of ours")
        attempt, expires_at_s = self._waiting.pop(digest_of(state), (None, 0.0))
        if attempt is None or self._clock() >= expires_at_s:
            raise not_accepted("a state that is unknown, used or expired")
        if not hmac.compare_digest(digest_of(attempt.secret), digest_of(secret)):
            raise not_accepted("a state that another browser began with")
        return attempt

    def _make_room(self) -> None:
        now_s = self._clock()
        for digest, (_, expires_at_s) in list(self._waiting.items()):
            if now_s < expires_at_s and len(self._waiting) < self._most:
                break
            del self._waiting[digest]
