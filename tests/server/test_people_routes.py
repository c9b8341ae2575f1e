"""The people of a tenant over HTTP: invited, changed, suspended, removed."""

from __future__ import annotations

from secrets import token_hex

import pytest

from aura_local.accounts.permissions import ROLES
from tests.server.people import PASSWORD, Platform
from tests.server.withdrawal import LIMIT_S, seconds_until_withdrawn

pytestmark = pytest.mark.anyio


async def test_an_invitation_is_redeemed_once(platform: Platform) -> None:
    tenant = await platform.tenant("Inviting")
    admin = await platform.signed_in(tenant, "admin", "ada@inviting.example")
    async with admin, platform.client() as anonymous:
        answer = await admin.post("/api/users", json={"email": "Vic@inviting.example", "role": "viewer"})
        link = answer.json()
        assert (answer.status_code, link["path"]) == (201, f"/#link={link['secret']}")

        body = {"secret": link["secret"], "password": PASSWORD, "name": "Vic", "email": "other@x.example"}
        joined = await anonymous.post("/api/links", json=body)
        assert joined.status_code == 200
        assert (await anonymous.post("/api/links", json=body)).status_code == 401
        async with platform.client(joined.json()["access_token"]) as viewer:
            me = (await viewer.get("/api/me")).json()
            assert (me["role"], me["tenant_id"], me["label"]) == ("viewer", tenant.id, "Vic")
            assert me["permissions"] == sorted(ROLES["viewer"])

        users = (await admin.get("/api/users")).json()["users"]
        # The address is that of the invitation, whatever the body says.
        assert [(user["email"], user["role"]) for user in users] == [
            ("ada@inviting.example", "admin"),
            ("vic@inviting.example", "viewer"),
        ]
        taken = await admin.post("/api/users", json={"email": "vic@inviting.example", "role": "member"})
        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "conflict")
    assert await platform.actions(tenant.id) == ["user.invited", "user.created"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"email": "x@y.example", "role": "owner"}, 403),
        ({"email": "x@y.example", "role": "service"}, 400),
        ({"email": "no address", "role": "viewer"}, 400),
        ({"email": f"x@{'y' * 253}", "role": "viewer"}, 400),
        ({"email": "x@y.example"}, 400),
    ],
)
async def test_invitations_that_are_refused(platform: Platform, body: dict[str, str], status: int) -> None:
    name = token_hex(4)
    tenant = await platform.tenant(name)
    admin = await platform.signed_in(tenant, "admin", f"ada@{name}.example")
    async with admin:
        assert (await admin.post("/api/users", json=body)).status_code == status
    assert await platform.actions(tenant.id) == []


async def test_roles_change_what_one_may_do_at_once(platform: Platform) -> None:
    tenant = await platform.tenant("Roles")
    admin = await platform.signed_in(tenant, "admin", "ada@roles.example")
    mel = await platform.person(tenant, "member", "mel@roles.example")
    token = await platform.token(mel)
    async with admin, platform.client(token) as old:
        changed = await admin.patch(f"/api/users/{mel.id}", json={"role": "viewer"})
        assert (changed.status_code, changed.json()["role"]) == (200, "viewer")
        # The token says nothing about the role; but whoever holds it is to sign in again.
        assert (await old.get("/api/me")).status_code == 401
        async with platform.client(await platform.token(mel)) as viewer:
            refused = await viewer.post("/api/documents/upload", files={"file": ("a.txt", b"text")})
            assert refused.status_code == 403
        assert (await admin.patch(f"/api/users/{mel.id}", json={"role": "owner"})).status_code == 403
        assert (await admin.get(f"/api/users/{mel.id}")).json()["role"] == "viewer"
        assert (await admin.delete(f"/api/users/{mel.id}")).status_code == 204
        assert (await admin.get(f"/api/users/{mel.id}")).status_code == 404
    assert await platform.actions(tenant.id) == ["user.role_changed", "user.removed"]


async def test_the_last_admin_stays(platform: Platform) -> None:
    tenant = await platform.tenant("Last Admin")
    ada = await platform.person(tenant, "admin", "ada@last.example")
    async with platform.client(await platform.token(ada)) as admin:
        path = f"/api/users/{ada.id}"
        before = (await admin.get(path)).json()
        for refused in (
            await admin.patch(path, json={"status": "suspended"}),
            await admin.patch(path, json={"role": "viewer"}),
            await admin.delete(path),
        ):
            assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        assert (await admin.get(path)).json() == before
    assert await platform.actions(tenant.id) == []


async def test_a_reset_link_replaces_the_password(platform: Platform) -> None:
    tenant = await platform.tenant("Resets")
    admin = await platform.signed_in(tenant, "admin", "ada@resets.example")
    mel = await platform.person(tenant, "member", "mel@resets.example")
    session = await platform.engine.accounts.logins.login_as(mel.id)
    new = "another horse battery"
    async with admin, platform.client() as anonymous, platform.client(session.access_token) as member:
        link = (await admin.post(f"/api/users/{mel.id}/password-reset")).json()
        assert (await member.get("/api/me")).status_code == 200
        body = {"secret": link["secret"], "password": new}
        assert (await anonymous.post("/api/links", json=body)).status_code == 200
        assert (await anonymous.post("/api/links", json=body)).status_code == 401
        assert (await member.get("/api/me")).status_code in (200, 401)  # within a second
        refreshed = await anonymous.post("/api/refresh", json={"refresh_token": session.refresh_token})
        assert refreshed.status_code == 401
        for password, status in ((PASSWORD, 401), (new, 200)):
            login = await anonymous.post("/api/login", json={"email": mel.email, "password": password})
            assert login.status_code == status
    assert await platform.actions(tenant.id) == ["user.password_reset", "user.password_chosen", "login"]


async def test_managing_people_is_no_way_to_more_rights(platform: Platform) -> None:
    """A reset link is as good as the account: a key that may only manage people gets none of an admin."""
    tenant = await platform.tenant("No Way Up")
    ada = await platform.person(tenant, "admin", "ada@up.example")
    async with platform.client(await platform.key(tenant, "users.manage")) as key:
        reset = await key.post(f"/api/users/{ada.id}/password-reset")
        invited = await key.post("/api/users", json={"email": "eve@up.example", "role": "admin"})
        promoted = await key.patch(f"/api/users/{ada.id}", json={"role": "member"})
        assert [answer.status_code for answer in (reset, invited, promoted)] == [403, 403, 403]
        assert (await key.get("/api/users")).status_code == 200
    assert await platform.actions(tenant.id) == []


async def test_a_suspended_person_is_out_within_a_second(platform: Platform) -> None:
    tenant = await platform.tenant("Suspending")
    admin = await platform.signed_in(tenant, "admin", "ada@suspending.example")
    mel = await platform.person(tenant, "member", "mel@suspending.example")
    async with admin:

        async def suspend() -> None:
            answer = await admin.patch(f"/api/users/{mel.id}", json={"status": "suspended"})
            assert (answer.status_code, answer.json()["status"]) == (200, "suspended")

        token = await platform.token(mel)
        assert await seconds_until_withdrawn(platform, token, suspend) <= LIMIT_S
        async with platform.client() as anonymous:
            login = await anonymous.post("/api/login", json={"email": mel.email, "password": PASSWORD})
            assert login.status_code == 401
            resumed = await admin.patch(f"/api/users/{mel.id}", json={"status": "active"})
            assert resumed.json()["status"] == "active"
            login = await anonymous.post("/api/login", json={"email": mel.email, "password": PASSWORD})
            assert login.status_code == 200
    assert await platform.actions(tenant.id) == ["user.suspended", "user.resumed", "login"]
