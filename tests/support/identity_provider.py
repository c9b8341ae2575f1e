"""A small OpenID provider: real tokens, real keys, and a switch for everything that a bad one does wrong."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlencode

import anyio
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID = "aura"
CLIENT_SECRET = "of the client"
REDIRECT_URL = "https://voice.example/"


@cache
def signing_key(key_id: str) -> RSAKey:
    """Made once for all tests: it takes a tenth of a second."""
    return RSAKey.generate_key(2048, {"kid": key_id, "use": "sig"})


@dataclass
class IdentityProvider:
    """Set its fields between requests; `requests` has the paths that were asked for."""

    issuer: str = ""
    published: tuple[str, ...] = ("first",)
    """Ids of the keys that are in the list of keys."""
    signs_with: str = "first"
    claims: dict[str, Any] = field(default_factory=dict)
    """What identity tokens say besides, or instead; None leaves a claim out."""
    document: dict[str, Any] = field(default_factory=dict)
    """The same for the discovery document."""
    forge: str = ""
    """`none` or `HS256`: tokens without a signature, or with one that the public key can make."""
    answer: Response | None = None
    """Instead of what the token endpoint answers."""
    stalls: anyio.Event | None = None
    """Nothing is answered before it is set."""
    requests: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    """What each code was given for."""

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._describe),
                Route("/authorize", self._authorize),
                Route("/token", self._tokens, methods=["POST"]),
                Route("/keys", self._keys),
            ]
        )

    async def _describe(self, request: Request) -> Response:
        await self._note(request)
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
        return JSONResponse(document | self.document)

    async def _authorize(self, request: Request) -> Response:
        """The person has signed in already, and agrees."""
        asked = dict(request.query_params)
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["redirect_uri"] == REDIRECT_URL
        assert asked["code_challenge_method"] == "S256"
        assert {"openid", "email"} <= set(asked["scope"].split())
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return RedirectResponse(f"{REDIRECT_URL}?{urlencode({'code': code, 'state': asked['state']})}")

    async def _tokens(self, request: Request) -> Response:
        await self._note(request)
        if self.answer is not None:
            return self.answer
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        secret = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        in_body = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if request.headers.get("authorization") != f"Basic {secret}" and not in_body:
            return JSONResponse({"error": "invalid_client"}, 401)
        granted = self.codes.pop(form["code"], None)  # a code works once
        proof = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
        if (
            granted is None
            or form["grant_type"] != "authorization_code"
            or granted["code_challenge"] != challenge
            or granted["redirect_uri"] != form["redirect_uri"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        id_token = self.id_token(granted["nonce"])
        return JSONResponse({"access_token": "opaque", "token_type": "Bearer", "id_token": id_token})

    def id_token(self, nonce: str) -> str:
        now_s = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "1001",
            "aud": CLIENT_ID,
            "iat": now_s,
            "exp": now_s + 300,
            "nonce": nonce,
            "email": "ada@museum.example",
            "email_verified": True,
            "name": "Ada",
        } | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        key = signing_key(self.signs_with)
        if self.forge:
            return forged(self.forge, claims, key)
        return jwt.encode({"alg": "RS256", "kid": self.signs_with}, claims, key)

    async def _keys(self, request: Request) -> Response:
        await self._note(request)
        keys = KeySet([signing_key(key_id) for key_id in self.published])
        return JSONResponse(keys.as_dict(private=False))

    async def _note(self, request: Request) -> None:
        self.requests.append(request.url.path)
        self.hosts.append(request.headers["host"])
        if self.stalls is not None:
            await self.stalls.wait()


def forged(algorithm: str, claims: dict[str, Any], key: RSAKey) -> str:
    """A token that nobody with the private key has signed."""
    import hmac

    parts = [{"alg": algorithm, "kid": key.kid, "typ": "JWT"}, claims]
    text = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts
    )
    signature = b""
    if algorithm == "HS256":
        signature = hmac.digest(key.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
