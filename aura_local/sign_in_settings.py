"""How people and programs sign in: lifetimes of credentials, and the identity provider. Layer 0."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, field_validator, model_validator

from aura_local.settings_section import Section

_HTTPS: Final = re.compile(r"https://[^/\s@]+(/\S*)?$")
_LOOPBACK: Final = re.compile(r"http://(127(\.[0-9]{1,3}){3}|localhost|\[::1\])(:[0-9]{1,5})?(/\S*)?$")

_HOUR_S: Final = 3600
_DAY_S: Final = 24 * _HOUR_S
_YEAR_S: Final = 365 * _DAY_S


class CredentialSettings(Section):
    """Read at the start. A shorter lifetime also ends signed tokens that were issued for longer."""

    access_token_s: int = Field(
        600, ge=10, le=_DAY_S, description="Lifetime of a person's access token, in seconds."
    )
    visitor_token_s: int = Field(600, ge=10, le=_DAY_S, description="Lifetime of a visitor's token.")
    refresh_token_s: int = Field(
        14 * _DAY_S,
        ge=60,
        le=_YEAR_S,
        description="Longest absence after which nobody has to sign in anew.",
    )
    socket_ticket_s: float = Field(30.0, gt=0, le=_HOUR_S, description="Lifetime of a ticket for a socket.")
    setup_link_s: int = Field(
        _DAY_S, ge=60, le=_YEAR_S, description="Time to use the link that makes the first owner."
    )
    invitation_link_s: int = Field(7 * _DAY_S, ge=60, le=_YEAR_S, description="Time to use an invitation.")
    reset_link_s: int = Field(
        _DAY_S, ge=60, le=_YEAR_S, description="Time to use a link for choosing a new password."
    )
    provider_sign_in_s: float = Field(
        600.0, gt=0, le=_DAY_S, description="Time to sign in at the identity provider."
    )
    key_overlap_s: int = Field(
        7 * _DAY_S, ge=0, le=_YEAR_S, description="Longest time that a rotated API key works on."
    )
    failed_sign_ins: int = Field(
        5, ge=1, le=1000, description="Failed sign-ins in a window, per account and per address."
    )
    failed_sign_ins_window_s: float = Field(
        900.0, gt=0, le=_DAY_S, description="The window in which failed sign-ins are counted."
    )


class OidcSettings(Section):
    """Sign-in at an OpenID Connect provider; off until `issuer` is set."""

    issuer: str | None = Field(None, description="Address of the identity provider; sign-in with it is on.")
    client_id: str | None = Field(None, description="What the provider knows this installation by.")
    client_secret_file: Path | None = Field(
        None, description="File with the client's secret, readable by you alone; none for a public client."
    )
    redirect_url: str | None = Field(
        None, description="Address of our own page, to which the provider sends people back."
    )
    allowed_email_domains: tuple[str, ...] = Field(
        (), description="Only people with e-mail addresses of these domains sign in this way; empty: all."
    )
    private_network: bool = Field(
        False, description="Whether the provider may have an address inside a private network."
    )
    create_users: bool = Field(
        False, description="Whether somebody whom the provider knows and we do not becomes a user."
    )
    new_user_role: Literal["admin", "member", "viewer"] = Field(
        "viewer", description="Role of users that are made this way."
    )
    new_user_tenant: str | None = Field(None, description="Name of the tenant they belong to.")

    @field_validator("issuer", "redirect_url")
    @classmethod
    def _secure_address(cls, address: str | None) -> str | None:
        if address is not None and (
            "?" in address or "#" in address or (_HTTPS.match(address) or _LOOPBACK.match(address)) is None
        ):
            raise ValueError("an address begins with https:// (http:// on loopback alone) and has no ? or #")
        return address

    @field_validator("allowed_email_domains")
    @classmethod
    def _plain_domains(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        for domain in domains:
            if not domain or domain != domain.lower() or "@" in domain or domain != domain.strip():
                raise ValueError("a domain is what follows the @, in small letters, such as example.org")
        return domains

    @model_validator(mode="after")
    def _complete(self) -> OidcSettings:
        if self.issuer is not None and (self.client_id is None or self.redirect_url is None):
            raise ValueError("oidc.issuer needs oidc.client_id and oidc.redirect_url")
        if self.create_users and (self.new_user_tenant is None or not self.allowed_email_domains):
            # Without domains everybody who has an account at a public provider could join.
            raise ValueError("oidc.create_users needs oidc.new_user_tenant and oidc.allowed_email_domains")
        return self
