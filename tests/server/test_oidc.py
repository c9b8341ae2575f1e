"""Sign-in at a real OpenID provider on loopback: who gets in, and every way in which somebody must not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aura_server.account_routes import SignedIn
from aura_server.oidc_client import REPLY_BYTES
from aura_server.oidc_routes import OidcFinish, OidcStart, read_secret
from starlette.responses import JSONResponse, RedirectResponse, Response

from aura_local.accounts.id_tokens import Identity
from aura_local.accounts.identified import Identified
from aura_local.audit.chain import PLATFORM
from aura_local.errors import ConfigurationError
from tests.server.conftest import Product
from tests.server.oidc_world import World, open_world
from tests.support.identity_provider import CLIENT_ID

pytestmark = pytest.mark.anyio

DOCUMENT = Path(__file__).parents[2] / "server" / "README.md"
LONG_AGO = 1_000_000_000


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
async def kept_world(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with open_world(tmp_path_factory.mktemp("kept"), limits__failed_logins_per_minute=1000) as opened:
        yield opened


@pytest.fixture
def lasting(kept_world: World) -> World:
    """One world for many tests, which change nothing but what the provider answers."""
    kept_world.provider.claims, kept_world.provider.forge = {}, ""
    kept_world.provider.answer, kept_world.provider.document = None, {}
    kept_world.provider.requests.clear()
    return kept_world


async def test_the_time_for_it_is_a_setting(tmp_path: Path) -> None:
    async with open_world(tmp_path, credentials__provider_sign_in_s=42.0) as world:
        assert (await world.begin()).expires_in_s == 42


async def test_somebody_signs_in_and_both_logs_say_so(world: World) -> None:
    answer = await world.sign_in()
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    tokens = answer.json()
    assert set(tokens) == {"access_token", "expires_in_s", "refresh_token", "refresh_expires_in_s"}
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    me = (await world.client.get("/api/me", headers=bearer)).json()
    assert (me["id"], me["tenant_id"], me["role"]) == (world.ada, world.tenant_id, "member")
    login = (f"user:{world.ada}", "login", world.ada, {"method": "oidc"})
    assert (await world.entries(world.tenant_id))[-1] == login
    target = urlsplit(world.provider.issuer).netloc
    permitted = ("server", "egress.permitted", target, {"purpose": "sign-in by identity provider"})
    # Discovery, tokens, keys: a permit for each.
    assert world.provider.requests == ["/.well-known/openid-configuration", "/token", "/keys"]
    assert await world.entries(PLATFORM) == [permitted] * 3


async def test_what_is_known_is_not_asked_for_again(world: World) -> None:
    assert (await world.sign_in()).status_code == 200
    world.provider.requests.clear()
    assert (await world.sign_in()).status_code == 200
    assert world.provider.requests == ["/token"]


async def test_an_answer_works_once_and_for_the_browser_that_began(world: World) -> None:
    mine, theirs = await world.begin(), await world.begin()
    answer = await world.come_back(mine)
    # Somebody who follows a foreign answer has another secret; the answer is used up by that.
    assert (await world.finish(**answer, secret=theirs.secret)).status_code == 401
    assert (await world.finish(**answer, secret=mine.secret)).status_code == 401
    answer = await world.come_back(theirs)
    assert (await world.finish(**answer, secret=theirs.secret)).status_code == 200
    assert (await world.finish(**answer, secret=theirs.secret)).status_code == 401
    # The provider was asked for the good one alone.
    assert world.provider.requests.count("/token") == 1
    refused = ("anonymous", "login_failed", "login", {"method": "oidc"})
    assert (await world.entries(PLATFORM)).count(refused) == 3


async def test_a_code_of_another_sign_in_is_refused_by_its_proof(lasting: World) -> None:
    mine, theirs = await lasting.begin(), await lasting.begin()
    code = (await lasting.come_back(theirs))["code"]
    state = (await lasting.come_back(mine))["state"]
    answer = await lasting.finish(code=code, state=state, secret=mine.secret)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "authentication_failed")


@pytest.mark.parametrize("sent", ["", "x" * 43, "\ud800", "x" * 200])
async def test_a_state_that_is_none_of_ours_is_refused(lasting: World, sent: str) -> None:
    started = await lasting.begin()
    answer = await lasting.client.post(
        "/api/oidc/finish",
        content=json.dumps({"code": "c", "state": sent, "secret": started.secret}),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code in (400, 401)


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"aud": "another client"},
        {"aud": None},
        {"aud": [CLIENT_ID, "another client"], "azp": "another client"},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"exp": LONG_AGO},
        {"exp": None},
        {"exp": "never"},
        {"iat": LONG_AGO * 4},
        {"nbf": LONG_AGO * 4},
        {"sub": None},
        {"at_hash": "of another access token"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"email": None},
        {"email": "no address"},
        {"email": 7},
        {"email": "nobody@museum.example"},
        {"email": "\N{KELVIN SIGN}im@museum.example"},
    ],
    ids=str,
)
async def test_a_token_that_says_something_wrong_is_refused(lasting: World, claims: dict[str, Any]) -> None:
    await Identified(lasting.engine.catalog.database).join(
        lasting.tenant_id, Identity("kim@museum.example", "Kim"), "member"
    )
    lasting.provider.claims = claims
    answer = await lasting.sign_in()
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "authentication_failed"
    assert "museum.example" not in answer.text
    assert (await lasting.entries(PLATFORM))[-1][1] == "login_failed"


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_a_forged_token_is_refused_before_any_key_is_looked_at(lasting: World, algorithm: str) -> None:
    lasting.provider.forge = algorithm
    assert (await lasting.sign_in()).status_code == 401
    assert "/keys" not in lasting.provider.requests


async def test_a_token_that_another_key_has_signed_is_refused(world: World) -> None:
    world.provider.signs_with = "second"
    assert (await world.sign_in()).status_code == 401


async def test_new_keys_are_fetched_once_when_a_token_names_one(world: World) -> None:
    assert (await world.sign_in()).status_code == 200
    world.provider.published, world.provider.signs_with = ("first", "second"), "second"
    assert (await world.sign_in()).status_code == 200
    assert world.provider.requests.count("/keys") == 2
    world.provider.signs_with = "third"
    for _ in range(3):
        assert (await world.sign_in()).status_code == 401
    assert world.provider.requests.count("/keys") == 2


async def test_somebody_suspended_or_of_a_suspended_tenant_is_refused(world: World) -> None:
    await world.engine.accounts.directory.set_status(world.tenant_id, world.ada, "suspended")
    assert (await world.sign_in()).status_code == 401
    await world.engine.accounts.directory.set_status(world.tenant_id, world.ada, "active")
    assert (await world.sign_in()).status_code == 200
    await world.engine.catalog.set_status(world.tenant_id, "suspended")
    answer = await world.sign_in()
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "tenant_suspended")


async def test_newcomers_join_the_tenant_that_the_settings_name(tmp_path: Path) -> None:
    settings: dict[str, object] = {
        "oidc__create_users": True,
        "oidc__new_user_tenant": "Museum",
        "oidc__new_user_role": "viewer",
        "oidc__allowed_email_domains": ("museum.example",),
    }
    async with open_world(tmp_path, **settings) as world:
        world.provider.claims = {"email": "Grace@Museum.example", "name": "Grace"}
        for _ in range(2):
            assert (await world.sign_in()).status_code == 200
        users = {one.email: one for one in await world.engine.accounts.directory.users(world.tenant_id)}
        grace = users["grace@museum.example"]
        assert (grace.name, grace.role, grace.has_password) == ("Grace", "viewer", False)
        made = ("identity_provider", "user.created", grace.id, {"role": "viewer", "method": "oidc"})
        signed_in = (f"user:{grace.id}", "login", grace.id, {"method": "oidc"})
        assert await world.entries(world.tenant_id) == [made, signed_in, signed_in]
        for email in ("eve@evil.example", "eve@sub.museum.example", "eve@evil-museum.example"):
            world.provider.claims = {"email": email}
            assert (await world.sign_in()).status_code == 401
        await world.engine.catalog.set_status(world.tenant_id, "suspended")
        world.provider.claims = {"email": "late@museum.example"}
        assert (await world.sign_in()).status_code == 403
        assert len(await world.engine.accounts.directory.users(world.tenant_id)) == 2


@pytest.mark.parametrize(
    "answer",
    [
        Response("<html>", 200),
        JSONResponse([1]),
        JSONResponse({"access_token": "a"}),
        JSONResponse({"error": "invalid_client"}, 401),
        JSONResponse({"error": "server_error"}, 500),
        RedirectResponse("http://127.0.0.1:9/token"),
        Response(b" " * (REPLY_BYTES + 1)),
        Response("[" * 200_000),
        Response(b"\x1f\x8b", headers={"content-encoding": "gzip"}),
    ],
    ids=lambda answer: f"{answer.status_code} {bytes(answer.body)[:20]!r}",
)
async def test_a_provider_that_answers_wrongly_is_one_clear_error(lasting: World, answer: Response) -> None:
    lasting.provider.answer = answer
    refused = await lasting.sign_in()
    assert refused.status_code == 503
    problem = refused.json()["error"]
    assert (problem["code"], problem["retryable"]) == ("identity_provider_unavailable", True)


async def test_a_discovery_that_failed_is_not_tried_again_at_once(world: World) -> None:
    world.provider.document = {"issuer": "https://evil.example"}
    for _ in range(3):
        answer = await world.client.post("/api/oidc/start")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "identity_provider_unavailable")
    assert len(world.provider.requests) == 1


async def test_the_secret_goes_into_the_body_where_the_provider_wants_it_there(world: World) -> None:
    world.provider.document = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await world.sign_in()).status_code == 200


# --- settings and absence ---------------------------------------------------------------------


async def test_the_secret_is_refused_where_others_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for content, mode in (("x", 0o640), ("x", 0o604), ("", 0o600), ("\n", 0o600), ("x" * 4097, 0o600)):
        file.write_text(content)
        file.chmod(mode)
        with pytest.raises(ConfigurationError):
            read_secret(file)
    with pytest.raises(ConfigurationError):
        read_secret(tmp_path / "nowhere")
    assert read_secret(None) is None


async def test_without_a_provider_there_is_nothing_here(product: Product) -> None:
    sent = {"code": "c", "state": "s", "secret": "s"}
    for path, body in (("/api/oidc/start", None), ("/api/oidc/finish", sent)):
        answer = await product.anonymous.post(path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "oidc_not_configured")


def test_the_routes_import_nothing_heavy() -> None:
    program = (
        "import sys; import aura_server.oidc_routes, aura_server.oidc_client, "
        "aura_local.accounts.identity_provider; "
        "sys.exit(bool({'authlib', 'joserfc', 'httpx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_a_missing_package_is_named_with_its_command(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "authlib", None)
    answer = await world.client.post("/api/oidc/start")
    assert answer.status_code == 503
    assert "pip install 'aura-local[oidc]'" in answer.json()["error"]["message"]


async def test_the_examples_of_the_protocol_document_are_valid() -> None:
    blocks = re.findall(r"```http\n(.*?)\n```", DOCUMENT.read_text(encoding="utf-8"), re.S)
    examples = {block.splitlines()[0]: block.partition("\n\n")[2] for block in blocks}
    assert set(examples) == {
        "POST /api/oidc/start",
        "200 /api/oidc/start",
        "POST /api/oidc/finish",
        "200 /api/oidc/finish",
    }
    OidcStart.model_validate_json(examples["200 /api/oidc/start"])
    OidcFinish.model_validate_json(examples["POST /api/oidc/finish"])
    SignedIn.model_validate_json(examples["200 /api/oidc/finish"])
