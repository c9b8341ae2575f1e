"""A visitor's token is bound to what it was issued for, and dies with it."""

from __future__ import annotations

import pytest

from aura_local.accounts.permissions import ROLES, authorize
from aura_local.accounts.principal import Principal
from aura_local.accounts.visitors import VisitorToken, checked_origin
from aura_local.errors import (
    AuthenticationFailed,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    TenantSuspended,
)
from tests.accounts.world import Refused, World, failing_also

pytestmark = pytest.mark.anyio

SITE = "https://museum.example"


async def who(world: World, token: VisitorToken, origin: str | None = None) -> Principal:
    return await world.authenticator.authenticate(token.token, origin=origin)


async def test_a_widget_talks_on_its_own_site_alone(world: World) -> None:
    widget = await world.visitors.add_widget(
        world.museum.id, "widget", "site", [SITE, "http://localhost:8000"]
    )
    token = await world.visitors.token_for_widget(widget.id, SITE)
    principal = await who(world, token, SITE)
    assert (principal.kind, principal.id, principal.tenant_id) == (
        "visitor",
        token.session_id,
        world.museum.id,
    )
    assert (principal.widget_id, principal.origin, token.expires_in_s) == (widget.id, SITE, 600)
    assert principal.permissions == ROLES["visitor"]
    for permission in ("documents.read", "documents.write", "account.manage", "usage.read"):
        with pytest.raises(PermissionDenied):
            authorize(principal, permission)
    assert token.token not in repr(token)
    assert (await world.visitors.token_for_widget(widget.id, SITE)).session_id != token.session_id
    for origin in (None, "", "null", "https://evil.example", f"{SITE}.evil.example", "http://museum.example"):
        with pytest.raises(AuthenticationFailed):
            await who(world, token, origin)
        with pytest.raises(PermissionDenied):
            await world.visitors.token_for_widget(widget.id, origin)
    with pytest.raises(AuthenticationFailed):
        await who(world, token, "http://localhost:8000")  # allowed for the widget, not for this token


async def test_a_widget_without_origins_issues_to_nobody(world: World) -> None:
    widget = await world.visitors.add_widget(world.museum.id, "widget", "site", [])
    for origin in (None, "", "null", "*", SITE):
        with pytest.raises(PermissionDenied):
            await world.visitors.token_for_widget(widget.id, origin)


async def test_a_kiosk_talks_with_its_secret(world: World) -> None:
    kiosk = await world.visitors.add_widget(world.museum.id, "kiosk", "entrance")
    assert kiosk.secret is not None
    assert kiosk.secret not in repr(kiosk) + repr(await world.everything())
    assert [(one.id, one.secret) for one in await world.visitors.widgets(world.museum.id)] == [
        (kiosk.id, None)
    ]
    token = await world.visitors.token_for_kiosk(kiosk.secret)
    assert (await who(world, token, SITE)).widget_id == kiosk.id
    for secret in ("", "A" * 43, kiosk.id, kiosk.secret + "x", "\udc80" * 43):
        with pytest.raises(AuthenticationFailed):
            await world.visitors.token_for_kiosk(secret)
    with pytest.raises(NotFound):
        await world.visitors.token_for_widget(kiosk.id, SITE)


async def test_a_page_is_public_only_while_it_is_switched_on(world: World) -> None:
    for tenant_id in (world.museum.id, "none"):
        with pytest.raises(NotFound):
            await world.visitors.token_for_public_page(tenant_id)
    await world.set_tenant(world.museum, "public_page", 1)
    token = await world.visitors.token_for_public_page(world.museum.id)
    principal = await who(world, token)
    assert (principal.tenant_id, principal.widget_id, principal.origin) == (world.museum.id, None, None)
    await world.set_tenant(world.museum, "public_page", 0)
    assert not await world.authenticator.still_good(principal)
    world.clock.pass_s(1)
    with pytest.raises(AuthenticationFailed):
        await who(world, token)


async def test_revoking_ends_every_visitor_of_the_widget_and_no_other(world: World) -> None:
    widget = await world.visitors.add_widget(world.museum.id, "widget", "site", [SITE])
    kiosk = await world.visitors.add_widget(world.museum.id, "kiosk", "entrance")
    assert kiosk.secret is not None
    tokens = [
        await world.visitors.token_for_widget(widget.id, SITE),
        await world.visitors.token_for_kiosk(kiosk.secret),
    ]
    visitor, guest = [await who(world, token, SITE) for token in tokens]
    before = await world.everything()
    with pytest.raises(NotFound):
        await world.visitors.revoke_widget(world.zoo.id, widget.id)
    with pytest.raises(Refused):
        await world.visitors.revoke_widget(world.museum.id, widget.id, also=failing_also)
    assert await world.everything() == before
    for _ in range(2):
        await world.visitors.revoke_widget(world.museum.id, widget.id)
        world.clock.pass_s(1)
    assert not await world.authenticator.still_good(visitor)
    assert await world.authenticator.still_good(guest)
    with pytest.raises(AuthenticationFailed):
        await who(world, tokens[0], SITE)
    with pytest.raises(NotFound):
        await world.visitors.token_for_widget(widget.id, SITE)
    await world.visitors.revoke_widget(world.museum.id, kiosk.id)
    with pytest.raises(AuthenticationFailed):
        await world.visitors.token_for_kiosk(kiosk.secret)


async def test_suspension_stops_all_visitors(world: World) -> None:
    await world.set_tenant(world.museum, "public_page", 1)
    widget = await world.visitors.add_widget(world.museum.id, "widget", "site", [SITE])
    kiosk = await world.visitors.add_widget(world.museum.id, "kiosk", "entrance")
    assert kiosk.secret is not None
    token = await world.visitors.token_for_widget(widget.id, SITE)
    principal = await who(world, token, SITE)
    await world.set_tenant(world.museum, "status", "suspended")
    assert not await world.authenticator.still_good(principal)
    world.clock.pass_s(1)
    for attempt in (
        who(world, token, SITE),
        world.visitors.token_for_widget(widget.id, SITE),
        world.visitors.token_for_kiosk(kiosk.secret),
        world.visitors.token_for_public_page(world.museum.id),
    ):
        with pytest.raises(TenantSuspended):
            await attempt


async def test_widgets_belong_to_tenants(world: World) -> None:
    with pytest.raises(NotFound):
        await world.visitors.add_widget("none", "kiosk", "x")
    with pytest.raises(Refused):
        await world.visitors.add_widget(world.museum.id, "kiosk", "x", also=failing_also)
    for kind, origins in (
        ("kiosk", [SITE]),
        ("page", []),
        ("widget", [f"https://{n}.example" for n in range(21)]),
    ):
        with pytest.raises(InvalidRequest):
            await world.visitors.add_widget(world.museum.id, kind, "x", origins)  # type: ignore[arg-type]
    assert await world.visitors.widgets(world.museum.id) == []


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "*",
        "null",
        "museum.example",
        "https://",
        "https://a/",
        "https://a/b",
        "https://a?b",
        "https://u@a",
        "https://a:99999",
        "https://a:",
        "ftp://a",
        "https://*.a",
        "https://a b",
        "https://a,https://b",
        "//a",
    ],
)
def test_impossible_origins(origin: str) -> None:
    with pytest.raises(InvalidRequest):
        checked_origin(origin)


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        (" HTTPS://Museum.Example ", "https://museum.example"),
        ("https://museum.example:443", "https://museum.example"),
        ("http://museum.example:80", "http://museum.example"),
        ("https://museum.example:80", "https://museum.example:80"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_origins_are_kept_as_browsers_name_them(written: str, exact: str) -> None:
    assert checked_origin(written) == exact
