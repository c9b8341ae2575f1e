"""The one answer to a credential that does not lead anywhere. Layer 2."""

from __future__ import annotations

from aura_local.errors import AuthenticationFailed, TenantSuspended


def refusal() -> AuthenticationFailed:
    """Always the same: whether it was malformed, unknown, expired or revoked is not said."""
    return AuthenticationFailed("The credential is missing, malformed, unknown, expired or revoked.")


def suspended() -> TenantSuspended:
    """For a good credential of a tenant that has been stopped."""
    return TenantSuspended("This organisation has been suspended; its data is kept.")
