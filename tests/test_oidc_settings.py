"""Settings of sign-in with an identity provider that would let strangers in are refused."""

from __future__ import annotations

from typing import Any

import pytest

from aura_local.settings import OidcSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://login.example"},
        {"issuer": "http://login.example", "client_id": "a", "redirect_url": "https://us.example/"},
        {"issuer": "http://127.0.0.1.evil.example", "client_id": "a", "redirect_url": "https://us.example/"},
        {"issuer": "https://login.example/?a=b", "client_id": "a", "redirect_url": "https://us.example/"},
        {"redirect_url": "http://us.example/"},
        {"allowed_email_domains": ("@us.example",)},
        {"create_users": True, "new_user_tenant": "Museum"},
        {"create_users": True, "allowed_email_domains": ("us.example",)},
        {"new_user_role": "owner"},
    ],
    ids=str,
)
def test_settings_that_would_be_unsafe_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        OidcSettings(**wrong)
