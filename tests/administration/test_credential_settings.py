"""What the settings say about credentials is what holds: each setting reaches the thing that it is about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aura_local.data_home import DataHome, open_data_home
from aura_local.errors import AuthenticationFailed, InvalidRequest, TooManyRequests
from aura_local.settings import CredentialSettings, LimitSettings, Settings

pytestmark = pytest.mark.anyio

SET = CredentialSettings(
    access_token_s=61,
    visitor_token_s=62,
    refresh_token_s=63,
    socket_ticket_s=64.0,
    setup_link_s=65,
    invitation_link_s=66,
    reset_link_s=67,
    key_overlap_s=68,
    failed_sign_ins=2,
    failed_sign_ins_window_s=69.0,
)


@pytest.fixture
async def data(tmp_path: Path) -> AsyncIterator[DataHome]:
    settings = Settings(
        home=tmp_path / "home",
        master_key_file=tmp_path / "keys" / "key",
        limits=LimitSettings(disk_reserve_bytes=0),
        credentials=SET,
    )
    async with open_data_home(settings) as opened:
        yield opened


def seconds_left(stamp: str) -> float:
    return (datetime.fromisoformat(stamp) - datetime.now(UTC)).total_seconds()


async def test_lifetimes(data: DataHome) -> None:
    tenant = await data.catalog.create_tenant("Museum")
    await data.catalog.set_public_page(tenant.id, True)
    accounts = data.accounts
    assert await accounts.links.setup_link()
    invited = await accounts.links.invite(tenant.id, "ada@museum.example", "viewer")
    user = await accounts.links.redeem(invited.secret, password="a long password", name="Ada")
    reset = await accounts.links.reset(tenant.id, user.id)
    rows = await data.catalog.database.read(
        lambda rows: dict(rows.execute("SELECT purpose, expires_at FROM links").fetchall())
    )
    assert [rows[purpose] for purpose in ("invitation", "reset")] == [invited.expires_at, reset.expires_at]
    for purpose, lifetime_s in (("setup", 65), ("invitation", 66), ("reset", 67)):
        assert lifetime_s - 20 < seconds_left(rows[purpose]) <= lifetime_s, purpose
    tokens = await accounts.logins.login_as(user.id)
    assert (tokens.expires_in_s, tokens.refresh_expires_in_s) == (61, 63)
    assert (await accounts.visitors.token_for_public_page(tenant.id)).expires_in_s == 62
    assert (await accounts.authenticator.authenticate(tokens.access_token)).id == user.id
    assert accounts.tickets.lifetime_s == 64.0


async def test_the_longest_overlap(data: DataHome) -> None:
    tenant = await data.catalog.create_tenant("Museum")
    keys = data.accounts.api_keys
    issued = await keys.issue(tenant.id, "till")
    with pytest.raises(InvalidRequest):
        await keys.rotate(tenant.id, issued.id, overlap=timedelta(seconds=69))
    await keys.rotate(tenant.id, issued.id, overlap=timedelta(seconds=68))


async def test_failed_sign_ins(data: DataHome) -> None:
    logins = data.accounts.logins
    for _ in range(2):
        with pytest.raises(AuthenticationFailed):
            await logins.login("nobody@museum.example", "not the password", address="10.0.0.1")
    with pytest.raises(TooManyRequests) as refused:
        await logins.login("nobody@museum.example", "not the password", address="10.0.0.2")
    assert 60 < (refused.value.retry_after_s or 0) <= 69
