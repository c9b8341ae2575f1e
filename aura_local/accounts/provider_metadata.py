"""What an identity provider says about itself: its discovery document and its public keys. Layer 2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from aura_local.accounts.id_tokens import JsonWebKey
from aura_local.accounts.provider_errors import not_available
from aura_local.egress_permits import parse_address

WELL_KNOWN: Final = "/.well-known/openid-configuration"

KEYS: Final = 100
"""At most so many are looked at."""

_RSA_MODULUS_CHARACTERS: Final = 342
"""2048 bits in base64url; shorter keys are not accepted."""


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """Where the provider's endpoints are."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    secret_in_body: bool
    """Whether the client's secret goes into the body, not into the header, of token requests."""


def is_loopback(address: str) -> bool:
    """Whether an http(s) address is on this machine by what it says, without looking anything up."""
    host = urlsplit(address).hostname or ""
    parsed = parse_address(host)
    return host == "localhost" or (parsed is not None and parsed.is_loopback)


def json_object(body: bytes) -> dict[str, Any]:
    """Raises `EngineUnavailable` for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise not_available("an answer that is not JSON") from error
    if not isinstance(value, dict):
        raise not_available("an answer that is no JSON object")
    return value


def metadata_from(document: Mapping[str, Any], issuer: str) -> ProviderMetadata:
    """Raises `EngineUnavailable` for the document of another issuer, or endpoints that are not secure."""
    if document.get("issuer") != issuer:
        raise not_available("a discovery document of another issuer")
    methods = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if not isinstance(methods, list):
        raise not_available("a discovery document that cannot be read")
    return ProviderMetadata(
        _endpoint(document, "authorization_endpoint", issuer),
        _endpoint(document, "token_endpoint", issuer),
        _endpoint(document, "jwks_uri", issuer),
        secret_in_body="client_secret_basic" not in methods and "client_secret_post" in methods,
    )


def signing_keys_from(document: Mapping[str, Any]) -> list[JsonWebKey]:
    """The public keys that may sign; symmetric and weak ones are left out."""
    found = document.get("keys")
    if not isinstance(found, list):
        raise not_available("a list of keys that cannot be read")
    return [key for key in found[:KEYS] if isinstance(key, dict) and _may_sign(key)]


def _may_sign(key: JsonWebKey) -> bool:
    if key.get("use", "sig") != "sig":
        return False
    modulus = key.get("n")
    strong = isinstance(modulus, str) and len(modulus) >= _RSA_MODULUS_CHARACTERS
    return key.get("kty") == "EC" or (key.get("kty") == "RSA" and strong)


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    """An address to go to: encrypted, or on this machine if the issuer is here too."""
    address = document.get(name)
    try:
        parts = urlsplit(address) if isinstance(address, str) else None
        usable = parts is not None and bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        usable = False
    if (
        not isinstance(address, str)
        or not usable
        or not address.isascii()
        or not address.isprintable()
        or " " in address
    ):
        raise not_available(f"a discovery document without a usable {name}")
    if is_loopback(address) and not is_loopback(issuer):
        raise not_available(f"a {name} on this machine, of an issuer elsewhere")
    if not address.startswith("https://") and not (address.startswith("http://") and is_loopback(address)):
        raise not_available(f"a {name} that is not encrypted")
    return address
