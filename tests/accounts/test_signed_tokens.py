"""Nothing that a token says about itself makes it good: the attacks on JWT, one by one."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from aura_local.accounts.signed_tokens import (
    API_AUDIENCE,
    TOKEN_LIMIT_CHARACTERS,
    VISITOR_AUDIENCE,
    SignedTokens,
)
from tests.accounts.forge import Forge, encoded, signed
from tests.accounts.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def forge(world: World) -> Forge:
    user = await world.join("ada@museum.example")
    return Forge(world, await world.keys.current(), user)


async def test_what_is_forged_with_the_real_key_is_good(forge: Forge) -> None:
    """Without this, the others could pass for the wrong reason."""
    principal = await forge.world.authenticator.authenticate(forge.token())
    assert (principal.kind, principal.id, principal.tenant_id) == (
        "user",
        forge.user.id,
        forge.user.tenant_id,
    )
    assert principal.expires_at == forge.claims["exp"]


async def test_the_algorithm_is_ours(forge: Forge) -> None:
    body = forge.token().split(".")[1]
    for name in ("none", "None", "NONE", "nOnE", "", None, 0, ["HS256"]):
        header = encoded(json.dumps({**forge.header, "alg": name}).encode())
        for signature in ("", "AA", forge.token().split(".")[2]):
            await forge.refused(f"{header}.{body}.{signature}")
    for name, hash_name in (("HS384", "sha384"), ("HS512", "sha512")):
        await forge.refused(
            signed({**forge.header, "alg": name}, forge.claims, forge.key.secret, hash_name=hash_name)
        )
    await forge.refused(forge.token(header=lambda header: header.pop("alg")))
    for name in ("RS256", "ES256", "PS256", "EdDSA"):
        await forge.refused(signed({**forge.header, "alg": name}, forge.claims, forge.key.secret))


async def test_a_public_key_is_no_secret(forge: Forge) -> None:
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = ed25519.Ed25519PrivateKey.generate().public_key()
    for secret in (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.Raw, PublicFormat.Raw),
        b"",
        forge.key.id.encode(),
        bytes(32),
    ):
        for algorithm in ("HS256", "RS256", "EdDSA"):
            await forge.refused(signed({**forge.header, "alg": algorithm}, forge.claims, secret))


@pytest.mark.parametrize(
    "key_id",
    [
        "",
        "unknown",
        "../../../../dev/null",
        "/etc/hostname",
        "' UNION SELECT 'x', x'', NULL --",
        "x' OR '1'='1",
        "%",
        None,
        0,
        True,
        ["a"],
        {"a": 1},
    ],
)
async def test_a_key_id_finds_one_of_our_keys_or_nothing(forge: Forge, key_id: object) -> None:
    for secret in (forge.key.secret, b"", bytes(32)):
        await forge.refused(signed({**forge.header, "kid": key_id}, forge.claims, secret))
    await forge.refused(forge.token(header=lambda header: header.pop("kid")))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crit", ["exp"]),
        ("crit", []),
        ("crit", ["b64"]),
        ("b64", False),
        ("jku", "https://evil.example/keys"),
        ("x5u", "https://evil.example/chain"),
        ("jwk", {"kty": "oct", "k": "AAAA"}),
        ("x5c", ["AAAA"]),
        ("zip", "DEF"),
        ("cty", "JWT"),
        ("Kid", "x"),
    ],
)
async def test_no_other_header_is_understood(forge: Forge, name: str, value: object) -> None:
    await forge.refused(forge.token(header=lambda header: header.update({name: value})))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (
            "aud",
            ["", "aura-local", "aura-local/api ", [API_AUDIENCE], [API_AUDIENCE, VISITOR_AUDIENCE], None, 1],
        ),
        ("iss", ["", "evil", "aura-local ", ["aura-local"], None, 1]),
        ("sub", ["", "nobody", None, 1, ["x"]]),
        ("exp", ["", "9999999999", None, True, 1e400, float("nan"), -1, [1]]),
        ("iat", ["", "1", None, True, 0.5, float("nan"), [1]]),
        ("epo", ["0", None, True, 0.0, 1, -1]),
        ("nbf", [0, 9_999_999_999, "x"]),
        ("jti", [None, 1]),
    ],
)
async def test_every_claim_is_required_and_exact(forge: Forge, name: str, values: list[object]) -> None:
    for value in values:
        await forge.refused(signed(forge.header, {**forge.claims, name: value}, forge.key.secret))
    if name in forge.claims:
        await forge.refused(forge.token(claims=lambda claims: claims.pop(name)))


@pytest.mark.parametrize(
    ("issued_s", "expires_s", "good"),
    [
        (0, 600, True),
        (0, 601, False),  # longer than any of ours
        (-599, 1, True),
        (-600, 0, False),  # expired this very moment
        (5, 605, True),  # the clock of a sibling process, at most 5 s ahead
        (6, 606, False),
        (86_400, 87_000, False),
        (-600, -1, False),
        (0, 315_360_000, False),
    ],
)
async def test_the_times_of_a_token(forge: Forge, issued_s: int, expires_s: int, good: bool) -> None:
    now_s = forge.claims["iat"]
    token = forge.token(claims=lambda claims: claims.update(iat=now_s + issued_s, exp=now_s + expires_s))
    if good:
        await forge.world.authenticator.authenticate(token)
    else:
        await forge.refused(token)


@pytest.mark.parametrize(
    ("off_s", "good"),
    [
        (-3_600, False),
        (-5, True),
        (0, True),
        (599, True),
        (600, False),
        (86_400, False),
        (86_400 * 3_653, False),
    ],
)
async def test_a_clock_that_is_set_wrong(forge: Forge, off_s: int, good: bool) -> None:
    token = forge.token()
    await forge.world.authenticator.authenticate(token)
    forge.world.clock.pass_s(off_s)
    forge.world.clock.monotonic_s = 1_002.0  # that clock cannot be set, and nothing is remembered so long
    if good:
        await forge.world.authenticator.authenticate(token)
    else:
        await forge.refused(token)


async def test_a_token_expires_while_it_is_remembered(forge: Forge) -> None:
    forge.world.clock.pass_s(599.5)
    await forge.world.authenticator.authenticate(forge.token())
    forge.world.clock.pass_s(0.5)
    await forge.refused(forge.token())


async def test_segments(forge: Forge) -> None:
    good = forge.token()
    header, body, signature = good.split(".")
    for token in (
        "..",
        f"{header}.{body}",
        f"{header}.{body}.",
        f".{body}.{signature}",
        f"{header}..{signature}",
        f"{good}.{signature}",
        f"{good}.{good}",
        f"{header}.{header}.{signature}",
        f"{body}.{body}.{signature}",
        f"{header}.{body}.{body}",
        f"{good}=",
        f"{good}\n",
        f" {good}",
        f"Bearer {good}",
        good.replace(".", "\u3002"),
        f"{encoded(b'[]')}.{body}.{signature}",
        f"{encoded(b'null')}.{body}.{signature}",
        f"{encoded(b'{')}.{body}.{signature}",
        f"{encoded(b'[' * 2_000)}.{body}.{signature}",
        f"{encoded(bytes(range(128, 200)))}.{body}.{signature}",
        signed(forge.header, [forge.claims], forge.key.secret),
        signed(forge.header, "x", forge.key.secret),
    ):
        await forge.refused(token)
    doubled = encoded(json.dumps(forge.header).encode()[:-1] + b', "alg": "none"}')
    await forge.refused(f"{doubled}.{body}.{signature}")
    for position in range(0, len(good) - 1, 7):
        other = "A" if good[position] != "A" else "B"
        await forge.refused(good[:position] + other + good[position + 1 :])


async def test_what_is_too_long_is_not_parsed(forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    padded = forge.token(claims=lambda claims: claims.update(pad=""))
    filling = "x" * ((TOKEN_LIMIT_CHARACTERS - len(padded)) * 3 // 4)
    longest = forge.token(claims=lambda claims: claims.update(pad=filling))
    assert TOKEN_LIMIT_CHARACTERS - 4 <= len(longest) <= TOKEN_LIMIT_CHARACTERS
    await forge.world.authenticator.authenticate(longest)
    parsed: list[object] = []
    monkeypatch.setattr("jwt.get_unverified_header", parsed.append)
    for size in (6, 65_536, 5_000_000):
        await forge.refused(
            signed(forge.header, {**forge.claims, "pad": filling + "x" * size}, forge.key.secret)
        )
    assert parsed == []


async def test_the_audiences_are_worlds_apart(forge: Forge) -> None:
    await forge.refused(forge.token(claims=lambda claims: claims.update(aud=VISITOR_AUDIENCE)))
    await forge.world.set_tenant(forge.world.museum, "public_page", 1)
    visitor = {"tid": forge.user.tenant_id, "wid": None, "org": None, "sid": forge.user.id}
    await forge.refused(forge.token(claims=lambda claims: (claims.pop("epo"), claims.update(visitor))))
    both = forge.token(claims=lambda claims: claims.update(visitor, aud=VISITOR_AUDIENCE))
    assert (await forge.world.authenticator.authenticate(both)).kind == "visitor"


async def test_the_tenant_is_the_persons_and_not_the_tokens(forge: Forge) -> None:
    token = forge.token(
        claims=lambda claims: claims.update(tid=forge.world.zoo.id, role="owner", permissions=["*"])
    )
    principal = await forge.world.authenticator.authenticate(token)
    assert (principal.tenant_id, principal.role) == (forge.world.museum.id, "member")


async def test_what_we_sign_has_exactly_these_claims(world: World) -> None:
    tokens = SignedTokens(world.keys, now=world.clock.now)
    token = await tokens.sign(
        API_AUDIENCE, "someone", {"epo": 3, "tid": "t", "iss": "other", "exp": 9_999_999_999}
    )
    header, body, _ = (part + "==" for part in token.split("."))
    claims = json.loads(base64.urlsafe_b64decode(body))
    now_s = int(world.clock.moment.timestamp())
    assert json.loads(base64.urlsafe_b64decode(header)).keys() == {"alg", "typ", "kid"}
    assert claims.keys() == {"iss", "aud", "sub", "jti", "iat", "exp", "epo", "tid"}
    assert (claims["iss"], claims["iat"], claims["exp"]) == ("aura-local", now_s, now_s + 600)
    assert len(token) < 600
    assert hashlib.sha256(token.encode()).digest() not in repr(await world.everything()).encode()
