"""Signing in and out, one's own account, and the short-lived tokens of sockets and visitors. Layer 5.

Nothing here sets a cookie: a browser holds its tokens in session storage and sends them itself, so that no
other page can make it act (cross-site request forgery).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from aura_local.errors import InvalidRequest
from aura_server.client_address import address_of
from aura_server.json_body import RequestBody, read_json
from aura_server.operations import Operation, json_answer

if TYPE_CHECKING:
    from aura_local.accounts.logins import Tokens
    from aura_local.accounts.principal import Principal
    from aura_local.engine import Engine


class LoginRequest(RequestBody):
    """E-mail address and password."""

    email: str = Field(min_length=3, max_length=254)
    password: SecretStr = Field(min_length=1, max_length=128)


class RefreshRequest(RequestBody):
    """A refresh token; it works once."""

    refresh_token: SecretStr = Field(min_length=1, max_length=200)


class LinkRequest(RequestBody):
    """Makes use of the secret in a set-up, invitation or reset link."""

    secret: SecretStr = Field(min_length=1, max_length=200)
    password: SecretStr = Field(min_length=1, max_length=128)
    name: str | None = Field(None, min_length=1, max_length=100)
    email: str | None = Field(None, min_length=3, max_length=254, description="For the set-up link alone.")


class PasswordRequest(RequestBody):
    """The old password and a new one."""

    old: SecretStr = Field(min_length=1, max_length=128)
    new: SecretStr = Field(min_length=1, max_length=128)


class VisitorRequest(RequestBody):
    """Where a visitor wants to talk: exactly one of the three."""

    widget: str | None = Field(None, max_length=100, description="Id of a widget of the requesting origin.")
    kiosk: SecretStr | None = Field(None, max_length=200, description="Enrolment secret of a kiosk.")
    page: str | None = Field(None, max_length=100, description="Id of a tenant whose page is public.")


class SignedIn(BaseModel):
    """Send the access token as `Authorization: Bearer ...`; get the next one with the refresh token."""

    access_token: str
    expires_in_s: int
    refresh_token: str
    refresh_expires_in_s: int


class VisitorAccess(BaseModel):
    """A visitor's token: it talks, and sees what is public."""

    token: str
    expires_in_s: int


class SocketTicket(BaseModel):
    """Goes into the `key` of a socket's `start` message; works once."""

    ticket: str
    expires_in_s: int


class Account(BaseModel):
    """Who one is, and what one may do."""

    kind: str
    id: str
    tenant_id: str | None
    tenant: str | None
    role: str
    label: str
    permissions: list[str]


def account_operations(engine: Engine) -> list[Operation]:
    """Everything about one's own sign-in."""
    accounts = engine.accounts
    people = engine.administration.people

    async def login(request: Request) -> ASGIApp:
        asked = await read_json(request, LoginRequest)
        tokens = await people.log_in(
            asked.email, asked.password.get_secret_value(), address=address_of(request.scope)
        )
        return signed_in(tokens)

    async def refresh(request: Request) -> ASGIApp:
        asked = await read_json(request, RefreshRequest)
        return signed_in(await accounts.logins.refresh(asked.refresh_token.get_secret_value()))

    async def logout(request: Request) -> ASGIApp:
        asked = await read_json(request, RefreshRequest)
        await people.log_out(asked.refresh_token.get_secret_value())
        return Response(status_code=204)

    async def use_link(request: Request) -> ASGIApp:
        asked = await read_json(request, LinkRequest)
        user = await people.redeem(
            asked.secret.get_secret_value(),
            password=asked.password.get_secret_value(),
            name=asked.name,
            email=asked.email,
        )
        return signed_in(await accounts.logins.login_as(user.id))

    async def visit(request: Request) -> ASGIApp:
        asked = await read_json(request, VisitorRequest)
        if sum(value is not None for value in (asked.widget, asked.kiosk, asked.page)) != 1:
            raise InvalidRequest("Send exactly one of widget, kiosk and page.")
        visitors = accounts.visitors
        if asked.widget is not None:
            issued = await visitors.token_for_widget(asked.widget, request.headers.get("origin") or "")
        elif asked.kiosk is not None:
            issued = await visitors.token_for_kiosk(asked.kiosk.get_secret_value())
        else:
            issued = await visitors.token_for_public_page(asked.page or "")
        return json_answer(VisitorAccess(token=issued.token, expires_in_s=issued.expires_in_s), 201)

    async def whoami(_request: Request, principal: Principal) -> ASGIApp:
        name = None
        if principal.tenant_id is not None:
            name = (await engine.catalog.tenant(principal.tenant_id)).name
        return json_answer(
            Account(
                kind=principal.kind,
                id=principal.id,
                tenant_id=principal.tenant_id,
                tenant=name,
                role=principal.role,
                label=principal.label,
                permissions=sorted(principal.permissions),
            )
        )

    async def change_password(request: Request, principal: Principal) -> ASGIApp:
        asked = await read_json(request, PasswordRequest)
        await people.change_password(principal, asked.old.get_secret_value(), asked.new.get_secret_value())
        return Response(status_code=204)

    async def ticket(_request: Request, principal: Principal) -> ASGIApp:
        issued = accounts.tickets.issue(principal)
        return json_answer(SocketTicket(ticket=issued, expires_in_s=accounts.tickets.lifetime_s), 201)

    throttled = (400, 401, 415, 429)
    return [
        Operation(
            "POST",
            "/api/login",
            "Sign in with e-mail address and password.",
            {200: SignedIn},
            for_anyone=login,
            failures=throttled,
            body=LoginRequest,
        ),
        Operation(
            "POST",
            "/api/refresh",
            "The next access token; the refresh token is replaced, and using an old one ends them all.",
            {200: SignedIn},
            for_anyone=refresh,
            failures=throttled,
            body=RefreshRequest,
        ),
        Operation(
            "POST",
            "/api/logout",
            "End a sign-in: its refresh tokens are void.",
            {204: None},
            for_anyone=logout,
            failures=throttled,
            body=RefreshRequest,
        ),
        Operation(
            "POST",
            "/api/links",
            "Make use of a set-up, invitation or reset link; signs in.",
            {200: SignedIn},
            for_anyone=use_link,
            failures=(*throttled, 409),
            body=LinkRequest,
        ),
        Operation(
            "POST",
            "/api/visitors",
            "A visitor's token for a widget, a kiosk or a public page.",
            {201: VisitorAccess},
            for_anyone=visit,
            failures=(*throttled, 404),
            body=VisitorRequest,
        ),
        Operation(
            "GET",
            "/api/me",
            "Who one is, and what one may do.",
            {200: Account},
            for_principal=whoami,
            needs="status.read",
        ),
        Operation(
            "POST",
            "/api/me/password",
            "Choose a new password; other sign-ins end.",
            {204: None},
            for_principal=change_password,
            needs="account.manage",
            failures=(400, 415),
            body=PasswordRequest,
        ),
        Operation(
            "POST",
            "/api/tickets",
            "A ticket that opens one socket, within half a minute.",
            {201: SocketTicket},
            for_principal=ticket,
            needs="talk",
        ),
    ]


def signed_in(tokens: Tokens) -> Response:
    """The answer to whoever has just signed in, by whatever means."""
    return json_answer(
        SignedIn(
            access_token=tokens.access_token,
            expires_in_s=tokens.expires_in_s,
            refresh_token=tokens.refresh_token,
            refresh_expires_in_s=tokens.refresh_expires_in_s,
        )
    )
