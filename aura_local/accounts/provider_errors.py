"""What goes wrong with an identity provider: our log says why, strangers learn little. Layer 2."""

from __future__ import annotations

import logging

from aura_local.errors import AuthenticationFailed, EngineUnavailable

log = logging.getLogger(__name__)


def not_accepted(reason: str) -> AuthenticationFailed:
    """For a sign-in that leads nowhere; `reason` is a fixed phrase of ours, for the operator."""
    log.warning("a sign-in by the identity provider was refused", extra={"reason": reason})
    return AuthenticationFailed(
        "This sign-in is not accepted. Begin it again; if that does not help, ask your administrator whether "
        "you have an account here."
    )


def not_available(reason: str) -> EngineUnavailable:
    """For a provider that does not answer, or not as the protocol says."""
    log.warning("the identity provider cannot be used", extra={"reason": reason})
    return EngineUnavailable(
        "The identity provider does not answer as it should; try again later, or sign in with a password.",
        code="identity_provider_unavailable",
        retryable=True,
    )
