"""`aura user`: people are invited by links, changed and removed; every act is in the audit log."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from aura_local.data_home import open_data_home
from aura_local.settings_sources import load_settings
from tests.commands.invoking import Aura
from tests.commands.test_tenant import actions

MILL = ("--tenant", "Old Mill")


@pytest.fixture
def mill(aura: Aura) -> Aura:
    aura("tenant", "create", "Old Mill")
    return aura


def redeem(aura: Aura, secret: str, *, name: str | None = None, email: str | None = None) -> None:
    """What the page behind a link does."""

    async def redeem() -> None:
        async with open_data_home(load_settings({}, aura.environment).values) as data:
            await data.accounts.links.redeem(secret, password="a long password", name=name, email=email)

    anyio.run(redeem)


def join(aura: Aura, email: str, role: str) -> None:
    made = aura.json("user", "invite", email, role, *MILL)
    redeem(aura, made["secret"], name=email.partition("@")[0])


def people(aura: Aura, *chain: str) -> dict[str, Any]:
    return {user["email"]: user for user in aura.json("user", "list", *chain)["users"]}


def test_the_set_up_link_makes_the_owner_and_is_then_refused(aura: Aura) -> None:
    voided = aura.json("user", "setup")
    made = aura.json("user", "setup")
    assert made["link"] == f"http://127.0.0.1:8765/#link={made['secret']}"
    assert made["secret"] != voided["secret"]
    redeem(aura, made["secret"], name="Ada", email="ada@example.org")
    (owner,) = people(aura).values()
    assert (owner["role"], owner["status"], owner["has_password"]) == ("owner", "active", True)
    refused = aura.json("user", "setup", code=1)["error"]
    assert (refused["code"], "aura user reset" in refused["message"]) == ("conflict", True)
    assert actions(aura) == ["user.invited", "user.invited"]


def test_an_invited_person_joins_with_the_role_and_is_listed(mill: Aura) -> None:
    made = mill.json("user", "invite", "Grace@Example.org", "admin", *MILL)
    assert made["link"].endswith(f"/#link={made['secret']}")
    assert made["expires_at"] is not None
    redeem(mill, made["secret"], name="Grace")
    assert people(mill, *MILL)["grace@example.org"]["role"] == "admin"
    assert people(mill) == {}
    assert "grace@example.org" in mill("user", "list", *MILL).stdout
    again = mill.json("user", "invite", "grace@example.org", "viewer", *MILL, code=1)
    assert again["error"]["code"] == "conflict"


def test_plain_output_of_an_invitation_is_the_link_alone(mill: Aura) -> None:
    made = mill("user", "invite", "grace@example.org", "member", *MILL)
    assert made.stdout.startswith("http://127.0.0.1:8765/#link=")
    assert len(made.stdout.split()) == 1
    assert "works once until" in made.stderr


def test_roles_and_states_change_and_end(mill: Aura) -> None:
    join(mill, "grace@example.org", "admin")
    join(mill, "joan@example.org", "member")
    assert mill.json("user", "role", "joan@example.org", "viewer", *MILL) == {"role": "viewer"}
    assert mill.json("user", "suspend", "joan@example.org", *MILL) == {"status": "suspended"}
    joan = people(mill, *MILL)["joan@example.org"]
    assert (joan["role"], joan["status"]) == ("viewer", "suspended")
    assert mill.json("user", "resume", "joan@example.org", *MILL) == {"status": "active"}
    made = mill.json("user", "reset", "JOAN@example.org", *MILL)
    redeem(mill, made["secret"])
    assert "removed" in mill("user", "remove", "joan@example.org", *MILL).stdout
    assert list(people(mill, *MILL)) == ["grace@example.org"]
    assert actions(mill, *MILL) == [
        "tenant.created",
        "user.invited",
        "user.invited",
        "user.role_changed",
        "user.suspended",
        "user.resumed",
        "user.password_reset",
        "user.removed",
    ]


def test_the_last_administrator_stays(mill: Aura) -> None:
    join(mill, "grace@example.org", "admin")
    for act in (("suspend",), ("remove",), ("role",)):
        words = (*act, "grace@example.org", *(("member",) if act == ("role",) else ()))
        assert mill.json("user", *words, *MILL, code=1)["error"]["code"] == "conflict"
    assert people(mill, *MILL)["grace@example.org"]["status"] == "active"


def test_impossible_people_are_refused(mill: Aura) -> None:
    mill("user", "invite", "no address", "member", *MILL, code=2)
    mill("user", "invite", "grace@example.org", "king", *MILL, code=2)
    for chain, role in ((MILL, "owner"), ((), "admin")):
        refused = mill.json("user", "invite", "grace@example.org", role, *chain, code=1)["error"]
        assert refused["code"] == "permission_denied"
    assert mill.json("user", "suspend", "nobody@example.org", *MILL, code=1)["error"]["code"] == "not_found"
    assert "aura user list" in mill("user", "remove", "nobody@example.org", code=1).stderr
    assert actions(mill, *MILL) == ["tenant.created"]
