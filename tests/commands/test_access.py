"""`aura tenant` and `aura key`, on real storage."""

from __future__ import annotations

import sqlite3

import pytest

from tests.commands.invoking import Aura


def test_a_tenant_is_created_and_listed(aura: Aura) -> None:
    made = aura.json("tenant", "create", "Old Mill")
    assert made["name"] == "Old Mill"
    (listed,) = aura.json("tenant", "list")["tenants"]
    assert listed == made | {"documents": 0, "quarantined": None}
    assert "Old Mill" in aura("tenant", "list").stdout


def test_a_second_tenant_of_the_same_name_is_refused(aura: Aura) -> None:
    aura("tenant", "create", "Old Mill")
    refused = aura("tenant", "create", "Old Mill", code=1)
    assert "exists already" in refused.stderr
    assert refused.stdout == ""


def test_a_tenant_name_with_a_slash_is_wrong_usage(aura: Aura) -> None:
    assert "1 to 64 letters" in aura("tenant", "create", "a/b", code=2).stderr


def test_what_is_stored_is_encrypted(aura: Aura) -> None:
    aura("tenant", "create", "Old Mill")
    connection = sqlite3.connect(aura.home / "aura.sqlite")
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        connection.execute("SELECT * FROM tenants")
    connection.close()


def test_a_key_is_printed_once_and_opens_its_tenant(aura: Aura) -> None:
    aura("tenant", "create", "Old Mill")
    made = aura.json("key", "create", "--tenant", "Old Mill", "--label", "till")
    assert made["key"].startswith("aura_")
    (listed,) = aura.json("key", "list")["keys"]
    assert (listed["id"], listed["label"], listed["revoked_at"]) == (made["id"], "till", None)
    everything = aura("key", "list").stdout + aura("key", "list", "--json").stdout
    assert made["key"] not in everything


def test_plain_output_of_key_create_is_the_key_alone(aura: Aura) -> None:
    aura("tenant", "create", "Old Mill")
    made = aura("key", "create")
    assert made.stdout.startswith("aura_")
    assert len(made.stdout.split()) == 1
    assert "not shown again" in made.stderr


def test_a_revoked_key_stays_listed_as_such(aura: Aura) -> None:
    aura("tenant", "create", "Old Mill")
    made = aura.json("key", "create")
    assert aura.json("key", "revoke", made["id"]) == {"revoked": made["id"]}
    (listed,) = aura.json("key", "list")["keys"]
    assert listed["revoked_at"] is not None


def test_another_tenants_key_cannot_be_revoked(aura: Aura) -> None:
    aura("tenant", "create", "Old Mill")
    aura("tenant", "create", "New Mill")
    made = aura.json("key", "create", "--tenant", "Old Mill")
    refused = aura.json("key", "revoke", made["id"], "--tenant", "New Mill", code=1)
    assert refused["error"]["code"] == "not_found"


def test_the_tenant_may_be_left_out_only_where_there_is_one(aura: Aura) -> None:
    assert "aura tenant create" in aura("key", "list", code=1).stderr
    aura("tenant", "create", "Old Mill")
    aura("key", "list")
    aura("tenant", "create", "New Mill")
    assert "--tenant" in aura("key", "list", code=2).stderr
    assert "no tenant of that name" in aura("key", "list", "--tenant", "Nobody", code=1).stderr


def test_a_lost_master_key_is_told(aura: Aura) -> None:
    aura("tenant", "create", "Old Mill")
    (aura.home.parent / "keys" / "master.key").unlink()
    assert aura.json("tenant", "list", code=1)["error"]["code"] == "key_unavailable"


def test_reindexing_needs_no_model(aura: Aura) -> None:
    aura("tenant", "create", "Old Mill")
    assert aura.json("reindex") == {"rebuilt": [{"tenant": "Old Mill", "vectors": 0}]}
    assert aura.json("reindex", "--all") == {"rebuilt": [{"tenant": "Old Mill", "vectors": 0}]}
    aura("reindex", "--all", "--tenant", "Old Mill", code=2)
