"""`aura secret`: from standard input into the encrypted file, and never back out."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from aura_local.data_home import open_data_home
from aura_local.settings_sources import load_settings
from aura_local.storage.tenant_secrets import LONGEST_VALUE_BYTES, TenantSecrets
from tests.commands.invoking import Aura
from tests.commands.test_tenant import actions
from tests.storage.filled_home import files_with

VALUE = "sk-kingfisher-7041"


@pytest.fixture
def mill(aura: Aura) -> Aura:
    aura("tenant", "create", "Old Mill")
    return aura


def stored(aura: Aura, name: str) -> str:
    async def read() -> str:
        async with open_data_home(load_settings({}, aura.environment).values) as data:
            (tenant,) = await data.catalog.tenants()
            async with data.leases.lease(tenant.id) as handle:
                return await TenantSecrets(handle.database).read(name)

    return anyio.run(read)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_value_comes_from_standard_input_without_the_lines_end(mill: Aura, ending: str) -> None:
    result = mill("secret", "set", "openai", "--tenant", "Old Mill", typed=VALUE + ending)
    assert VALUE not in result.output
    assert stored(mill, "openai") == VALUE
    assert files_with(mill.home, VALUE.encode()) == []


def test_names_are_listed_and_removed_and_every_act_is_in_the_log(mill: Aura) -> None:
    assert mill.json("secret", "list") == {"tenant": "Old Mill", "secrets": []}
    mill("secret", "set", "openai", typed=VALUE)
    listed = mill.json("secret", "list")["secrets"]
    assert [set(secret) for secret in listed] == [{"name", "updated_at"}]
    assert "openai" in mill("secret", "list").stdout
    assert mill.json("secret", "remove", "openai") == {"removed": "openai"}
    assert mill.json("secret", "remove", "openai", code=1)["error"]["code"] == "not_found"
    assert actions(mill, "--tenant", "Old Mill") == ["tenant.created", "secret.stored", "secret.removed"]


@pytest.mark.parametrize("typed", ["", "\n", "two\nlines", "x" * (LONGEST_VALUE_BYTES + 1)])
def test_impossible_values_are_refused(mill: Aura, typed: str) -> None:
    mill("secret", "set", "openai", typed=typed, code=2)
    assert mill.json("secret", "list")["secrets"] == []


def test_the_longest_value_with_its_lines_end_is_taken(mill: Aura) -> None:
    mill("secret", "set", "openai", typed="x" * LONGEST_VALUE_BYTES + "\r\n")
    assert len(stored(mill, "openai")) == LONGEST_VALUE_BYTES


def test_a_value_is_no_argument(mill: Aura, tmp_path: Path) -> None:
    mill("secret", "set", "openai", VALUE, typed="", code=2)
    assert mill.json("secret", "list")["secrets"] == []
