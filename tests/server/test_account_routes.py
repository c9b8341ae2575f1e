"""Signing up, in and out over HTTP."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from aura_local.accounts.links import Links
from aura_local.audit.chain import PLATFORM
from tests.server.people import PASSWORD, Platform, open_platform
from tests.server.voice_client import voice_client

pytestmark = pytest.mark.anyio
REFUSED = "The credential is missing, malformed, unknown, expired or revoked."


async def test_the_set_up_link_makes_one_owner_and_never_another(tmp_path: Path) -> None:
    async with open_platform(tmp_path) as platform, platform.client() as client:
        links = platform.engine.accounts.links
        secret = await links.setup_link()
        wanted = {"secret": secret, "password": PASSWORD, "name": "Olga", "email": "olga@platform.example"}

        for incomplete in ({"email": None}, {"name": None}, {"password": "too short"}, {"email": "nobody"}):
            assert (await client.post("/api/links", json=wanted | incomplete)).status_code == 400

        answers = []

        async def redeem(number: int) -> None:
            body = wanted | {"email": f"olga{number}@platform.example"}
            answers.append(await client.post("/api/links", json=body))

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(redeem, number)
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
        tokens = next(answer.json() for answer in answers if answer.status_code == 200)
        async with platform.client(tokens["access_token"]) as owner:
            me = (await owner.get("/api/me")).json()
        assert (me["role"], me["tenant_id"], me["tenant"]) == ("owner", None, None)
        assert {"platform.manage", "documents.read"} & set(me["permissions"]) == {"platform.manage"}

        assert await links.setup_link() is None
        again = await client.post("/api/links", json=wanted)
        assert (again.status_code, again.json()["error"]["message"]) == (401, REFUSED)
        assert await platform.actions(PLATFORM) == ["user.created"]


async def test_sign_in_refresh_and_out(platform: Platform) -> None:
    tenant = await platform.tenant("Sign In")
    user = await platform.person(tenant, "member", "mona@in.example")
    async with platform.client() as client:
        wrong = await client.post("/api/login", json={"email": user.email, "password": "not the password"})
        unknown = await client.post("/api/login", json={"email": "x@in.example", "password": PASSWORD})
        assert (wrong.status_code, wrong.content) == (unknown.status_code, unknown.content)
        assert (wrong.status_code, wrong.json()["error"]["message"]) == (401, REFUSED)

        answer = await client.post("/api/login", json={"email": "MONA@in.example", "password": PASSWORD})
        first = answer.json()
        assert (answer.status_code, first["expires_in_s"]) == (200, 600)
        assert "set-cookie" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"

        async def refresh(token: str) -> tuple[int, dict[str, str]]:
            answer = await client.post("/api/refresh", json={"refresh_token": token})
            return answer.status_code, answer.json()

        status, second = await refresh(first["refresh_token"])
        assert status == 200
        assert second["refresh_token"] != first["refresh_token"]
        # The first one again: somebody has copied it, so that the whole sign-in ends.
        assert (await refresh(first["refresh_token"]))[0] == 401
        assert (await refresh(second["refresh_token"]))[0] == 401

        third = (await client.post("/api/login", json={"email": user.email, "password": PASSWORD})).json()
        assert (
            await client.post("/api/logout", json={"refresh_token": third["refresh_token"]})
        ).status_code == 204
        assert (await refresh(third["refresh_token"]))[0] == 401
        assert (await client.post("/api/logout", json={"refresh_token": "never seen"})).status_code == 204
    assert await platform.actions(tenant.id) == ["login", "login", "logout"]


async def test_the_sixth_failure_is_not_looked_at(platform: Platform) -> None:
    user = await platform.person(await platform.tenant("Throttled"), "viewer", "slow@in.example")
    async with platform.client(address="203.0.113.7") as stranger, platform.client() as elsewhere:
        wrong = {"email": user.email, "password": "not the password"}
        statuses = [(await stranger.post("/api/login", json=wrong)).status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        right = {"email": user.email, "password": PASSWORD}
        for client in (stranger, elsewhere):
            answer = await client.post("/api/login", json=right)
            assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_requests")
            # Until the first failure is a quarter of an hour old, and not a moment less.
            wait_s = int(answer.headers["retry-after"])
            assert 800 < wait_s <= 900
            assert f"try again in {wait_s} s" in answer.json()["error"]["message"]


async def test_a_new_password_ends_every_other_sign_in(platform: Platform) -> None:
    tenant = await platform.tenant("Passwords")
    user = await platform.person(tenant, "viewer", "pat@in.example")
    before = await platform.engine.accounts.logins.login_as(user.id)
    new = "another horse battery"
    async with platform.client(before.access_token) as client:
        wrong = await client.post("/api/me/password", json={"old": "not the password", "new": new})
        short = await client.post("/api/me/password", json={"old": PASSWORD, "new": "short"})
        assert (wrong.status_code, short.status_code) == (401, 400)
        assert (await client.post("/api/me/password", json={"old": PASSWORD, "new": new})).status_code == 204
        refreshed = await client.post("/api/refresh", json={"refresh_token": before.refresh_token})
        assert refreshed.status_code == 401
        for password, status in ((PASSWORD, 401), (new, 200)):
            answer = await client.post("/api/login", json={"email": user.email, "password": password})
            assert answer.status_code == status
    assert await platform.actions(tenant.id) == ["user.password_changed", "login"]


@pytest.mark.parametrize("secret", ["x" * 43, "not a secret", "0"])
async def test_a_link_that_is_none(platform: Platform, secret: str) -> None:
    async with platform.client() as client:
        body = {"secret": secret, "password": PASSWORD, "name": "Nobody"}
        answer = await client.post("/api/links", json=body)
        assert (answer.status_code, answer.json()["error"]["message"]) == (401, REFUSED)


async def test_a_link_that_is_empty_or_over(platform: Platform) -> None:
    tenant = await platform.tenant("Too Late")
    past = datetime.now(UTC) - timedelta(days=8)
    links = Links(platform.engine.catalog.database, now=lambda: past)
    late = await links.invite(tenant.id, "late@in.example", "viewer")
    async with platform.client() as client:
        for secret, status in (("", 400), (None, 400), (late.secret, 401)):
            body = {"secret": secret, "password": PASSWORD, "name": "Late"}
            assert (await client.post("/api/links", json=body)).status_code == status


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/login", {"email": "a@" + "x" * 253, "password": PASSWORD}),
        ("/api/login", {"email": "a@b.example", "password": "x" * 129}),
        ("/api/refresh", {"refresh_token": "x" * 201}),
        ("/api/links", {"secret": "x" * 201, "password": PASSWORD}),
        ("/api/links", {"secret": "x" * 43, "password": PASSWORD, "name": "x" * 101}),
        ("/api/visitors", {"widget": "x" * 101}),
        ("/api/visitors", {}),
        ("/api/visitors", {"widget": "one", "page": "two"}),
    ],
)
async def test_values_that_are_too_long_or_too_many(
    platform: Platform, path: str, body: dict[str, str]
) -> None:
    async with platform.client() as client:
        answer = await client.post(path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
        assert not re.search(r"x{20}|correct horse", answer.text)


async def test_other_hosts_and_other_origins(platform: Platform) -> None:
    admin = await platform.signed_in(await platform.tenant("Elsewhere"), "admin", "ada@else.example")
    async with admin:
        rebound = await admin.get("/api/me", headers={"host": "evil.example"})
        assert (rebound.status_code, rebound.json()["error"]["code"]) == (400, "host_not_allowed")
        foreign = await admin.get("/api/me", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers


async def test_a_ticket_opens_a_socket_once(platform: Platform) -> None:
    viewer = await platform.signed_in(await platform.tenant("Tickets"), "viewer", "tim@tickets.example")
    async with viewer:
        issued = (await viewer.post("/api/tickets")).json()
    assert issued["expires_in_s"] == 30
    start = {"type": "start", "key": issued["ticket"]}
    url = f"{platform.sockets}/ws/voice/continuous"
    async with voice_client(url, start) as first:
        await first.until("ready")
        async with voice_client(url, start) as second:
            assert await second.until_closed() == 4401
            assert second.all("error")[0]["code"] == "authentication_failed"
        await first.send({"type": "stop"})
        assert await first.until_closed() == 1000
