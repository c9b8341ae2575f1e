"""The data folder opens with a key file or a passphrase, for many processes or for one alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.data_home import open_data_home
from aura_local.errors import Busy, KeyUnavailable
from aura_local.settings import Settings
from aura_local.storage.sealed_key import load_or_create_sealed, seal_key_file

pytestmark = pytest.mark.anyio

WORDS = "correct horse battery"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", master_key_file=tmp_path / "master.key")


def sealed(settings: Settings) -> Settings:
    return settings.model_copy(update={"master_key_source": "passphrase"})


async def test_many_may_use_it_or_one_alone(settings: Settings) -> None:
    async with open_data_home(settings) as one, open_data_home(settings) as two:
        tenant = await one.catalog.create_tenant("Museum")
        assert await two.catalog.tenants() == [tenant]
        with pytest.raises(Busy, match="stop it first"):
            async with open_data_home(settings, alone=True):
                pytest.fail("opened alone beside others")
    async with open_data_home(settings, alone=True):
        with pytest.raises(Busy, match="try again"):
            async with open_data_home(settings):
                pytest.fail("opened beside one that needs it alone")


async def test_a_passphrase_opens_it_and_a_wrong_one_damages_nothing(settings: Settings) -> None:
    async with open_data_home(sealed(settings), lambda: WORDS) as home:
        tenant = await home.catalog.create_tenant("Museum")
    assert not settings.master_key_file.exists()
    before = (settings.home / "aura.sqlite").read_bytes()
    for passphrase in (None, lambda: "a wrong passphrase"):
        with pytest.raises(KeyUnavailable, match="passphrase"):
            async with open_data_home(sealed(settings), passphrase):
                pytest.fail("opened without the passphrase")
    assert (settings.home / "aura.sqlite").read_bytes() == before
    async with open_data_home(sealed(settings), lambda: WORDS) as home:
        assert await home.catalog.tenants() == [tenant]
    with pytest.raises(KeyUnavailable, match="master_key_source"):
        async with open_data_home(settings):
            pytest.fail("made a new key file beside sealed data")


async def test_from_a_key_file_to_a_passphrase(settings: Settings) -> None:
    async with open_data_home(settings) as home:
        tenant = await home.catalog.create_tenant("Museum")
    seal_key_file(settings.master_key_file, settings.home, WORDS)
    async with open_data_home(sealed(settings), lambda: WORDS) as home:
        assert await home.catalog.tenants() == [tenant]
        assert home.master_key == load_or_create_sealed(settings.home, WORDS)
