"""`aura key`: scopes, expiry, rotation of API keys, and of the keys that encrypt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from aura_local.data_home import open_data_home
from aura_local.settings_sources import load_settings
from tests.commands.invoking import Aura
from tests.commands.test_tenant import actions, dump, fill


@pytest.fixture
def mill(aura: Aura) -> Aura:
    """An installation with one tenant."""
    aura("tenant", "create", "Old Mill")
    return aura


def days_from_now(stamp: str) -> float:
    return (datetime.fromisoformat(stamp) - datetime.now(UTC)) / timedelta(days=1)


def test_a_key_has_the_scopes_and_the_end_that_were_asked_for(mill: Aura) -> None:
    made = mill.json("key", "create", "--scope", "talk", "--scope", "documents.read", "--expires-days", "30")
    assert made["scopes"] == ["documents.read", "talk"]
    assert 29.9 < days_from_now(made["expires_at"]) < 30.1
    (listed,) = mill.json("key", "list")["keys"]
    assert (listed["scopes"], listed["expires_at"]) == (made["scopes"], made["expires_at"])
    assert "documents.read talk" in mill("key", "list").stdout
    assert actions(mill, "--tenant", "Old Mill") == ["tenant.created", "key.created"]


def test_a_key_without_scopes_has_the_usual_ones_and_no_end(mill: Aura) -> None:
    made = mill.json("key", "create", "--label", "till")
    assert (made["label"], made["expires_at"]) == ("till", None)
    assert "talk" in made["scopes"]
    assert "keys.manage" not in made["scopes"]


def test_impossible_keys_are_refused(mill: Aura) -> None:
    assert "talk" in mill("key", "create", "--scope", "platform.manage", code=2).stderr
    mill("key", "create", "--expires-days", "0", code=2)
    mill("key", "create", "--scope", "everything", code=2)
    assert mill.json("key", "list")["keys"] == []
    assert actions(mill, "--tenant", "Old Mill") == ["tenant.created"]


def test_a_rotated_key_ends_after_the_overlap(mill: Aura) -> None:
    old = mill.json("key", "create", "--label", "till", "--scope", "talk")
    new = mill.json("key", "rotate", old["id"], "--overlap-hours", "48")
    assert new["predecessor"] == old["id"]
    assert new["key"] != old["key"]
    first, second = mill.json("key", "list")["keys"]
    assert 1.9 < days_from_now(first["expires_at"]) < 2.1
    assert (second["id"], second["label"], second["scopes"]) == (new["id"], "till", ["talk"])
    assert mill("key", "rotate", new["id"]).stdout.startswith("aura_")
    mill("key", "rotate", new["id"], "--overlap-hours", "169", code=2)
    assert mill.json("key", "rotate", "nobody", code=1)["error"]["code"] == "not_found"
    mill("key", "revoke", old["id"])
    assert mill.json("key", "rotate", old["id"], code=1)["error"]["code"] == "conflict"
    assert actions(mill, "--tenant", "Old Mill") == [
        "tenant.created",
        "key.created",
        "key.rotated",
        "key.rotated",
        "key.revoked",
    ]


def test_after_a_new_master_key_everything_is_there_and_the_old_one_opens_nothing(aura: Aura) -> None:
    tenant_id = fill(aura, "Old Mill", "CANARY")
    before = dump(aura, tenant_id)
    key_file = Path(aura.environment["AURA_MASTER_KEY_FILE"])
    former = key_file.read_bytes()
    made = aura("key", "rotate-master")
    assert "a new one" in made.stdout
    assert "earlier ones need the former key" in made.stderr
    assert key_file.read_bytes() != former
    assert dump(aura, tenant_id) == before
    assert actions(aura) == ["master.rotated"]
    key_file.write_bytes(former)
    assert aura.json("tenant", "list", code=1)["error"]["code"] == "key_unavailable"


def test_a_new_tenant_key_keeps_everything(aura: Aura) -> None:
    tenant_id = fill(aura, "Old Mill", "CANARY")
    before = dump(aura, tenant_id)
    file = aura.home / "tenants" / tenant_id / "tenant.sqlite"
    encrypted = file.read_bytes()
    assert aura.json("key", "rotate-tenant", "Old Mill") == {"rotated": tenant_id}
    assert file.read_bytes() != encrypted
    assert dump(aura, tenant_id) == before
    assert actions(aura, "--tenant", "Old Mill") == ["tenant.key_rotated"]
    assert aura.json("key", "rotate-tenant", "Nobody", code=1)["error"]["code"] == "not_found"


def test_the_master_key_is_not_changed_under_a_server_nor_the_key_of_an_open_tenant(aura: Aura) -> None:
    tenant_id = fill(aura, "Old Mill", "CANARY")
    closed = fill(aura, "Water Works", "CANARY")

    async def beside_a_server() -> None:
        def refusals() -> None:
            refused = aura.json("key", "rotate-master", code=1)["error"]
            assert refused["code"] == "busy"
            assert "stop it first" in refused["message"]
            refused = aura.json("key", "rotate-tenant", "Old Mill", code=1)["error"]
            assert refused["code"] == "busy"
            assert "has this tenant open" in refused["message"]
            assert aura.json("key", "rotate-tenant", "Water Works") == {"rotated": closed}

        async with (
            open_data_home(load_settings({}, aura.environment).values) as data,
            data.leases.lease(tenant_id),
        ):
            await anyio.to_thread.run_sync(refusals)

    anyio.run(beside_a_server)
    assert actions(aura) == []
    assert actions(aura, "--tenant", "Old Mill") == []


def test_a_master_key_is_not_changed_where_there_is_no_data(aura: Aura) -> None:
    assert aura.json("key", "rotate-master", code=1)["error"]["code"] == "not_found"
    assert not aura.home.exists()
