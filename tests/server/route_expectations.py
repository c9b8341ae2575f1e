"""Who may use which route: written down a second time, by hand, and compared with what the server does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from aura_local.accounts.permissions import Permission

Needs = Permission | Literal["nothing", "nothing, but a credential is looked at"]


@dataclass(frozen=True, slots=True)
class Expected:
    """A route, and a request to it that shows whether it is reached: with ids of others it finds nothing."""

    needs: Needs
    status: int
    """Of the answer to those who may use the route."""
    body: Mapping[str, object] | None = None
    """`{session_id}` stands for a conversation."""
    query: Mapping[str, str] = field(default_factory=dict)
    tenants_only: bool = False
    """The owner has the permission, but no tenant to use it on."""


NOT_UNDERSTOOD = {"nonsense": True}
"""Refused with 400, behind every check of who is asking."""

ROUTES: Mapping[tuple[str, str], Expected] = {
    ("GET", "/health"): Expected("nothing, but a credential is looked at", 200),
    ("GET", "/openapi.json"): Expected("nothing", 200),
    ("GET", "/voice/status"): Expected("status.read", 200),
    ("GET", "/metrics"): Expected("metrics.read", 200),
    ("POST", "/api/login"): Expected("nothing", 400, NOT_UNDERSTOOD),
    ("POST", "/api/refresh"): Expected("nothing", 400, NOT_UNDERSTOOD),
    ("POST", "/api/logout"): Expected("nothing", 400, NOT_UNDERSTOOD),
    ("POST", "/api/links"): Expected("nothing", 400, NOT_UNDERSTOOD),
    ("POST", "/api/visitors"): Expected("nothing", 400, NOT_UNDERSTOOD),
    # Without an identity provider there is no such thing, whoever asks.
    ("POST", "/api/oidc/start"): Expected("nothing", 404),
    ("POST", "/api/oidc/finish"): Expected("nothing", 404, NOT_UNDERSTOOD),
    ("GET", "/api/me"): Expected("status.read", 200),
    ("POST", "/api/me/password"): Expected("account.manage", 400, NOT_UNDERSTOOD),
    ("POST", "/api/tickets"): Expected("talk", 201),
    ("POST", "/api/chat"): Expected("talk", 404, {"question": "When?", "session_id": "{session_id}"}),
    ("POST", "/api/documents/upload"): Expected("documents.write", 415),
    ("GET", "/api/documents"): Expected("documents.read", 200),
    ("GET", "/api/documents/{document_id}"): Expected("documents.read", 404),
    # A stream, for those who ask for one.
    ("GET", "/api/documents/events"): Expected("documents.read", 400),
    ("GET", "/api/documents/{document_id}/original"): Expected("documents.read", 404),
    ("GET", "/api/documents/{document_id}/passages"): Expected("documents.read", 404),
    ("GET", "/api/documents/{document_id}/text"): Expected("documents.read", 404),
    ("PUT", "/api/documents/{document_id}/content"): Expected("documents.write", 404),
    ("POST", "/api/documents/{document_id}/retry"): Expected("documents.write", 404),
    ("POST", "/api/documents/{document_id}/cancel"): Expected("documents.write", 404),
    ("PATCH", "/api/documents/{document_id}"): Expected("documents.write", 404, {"audience": "public"}),
    ("DELETE", "/api/documents/{document_id}"): Expected("documents.write", 404),
    ("GET", "/api/search"): Expected("documents.read", 200, query={"q": "xylophone7041 open"}),
    ("GET", "/api/users"): Expected("users.manage", 200),
    ("POST", "/api/users"): Expected("users.manage", 400, NOT_UNDERSTOOD),
    ("GET", "/api/users/{user_id}"): Expected("users.manage", 404),
    ("PATCH", "/api/users/{user_id}"): Expected("users.manage", 404, {"status": "suspended"}),
    ("DELETE", "/api/users/{user_id}"): Expected("users.manage", 404),
    ("POST", "/api/users/{user_id}/password-reset"): Expected("users.manage", 404),
    ("GET", "/api/keys"): Expected("keys.manage", 200),
    ("POST", "/api/keys"): Expected("keys.manage", 400, NOT_UNDERSTOOD),
    ("POST", "/api/keys/{key_id}/rotation"): Expected("keys.manage", 404, {"overlap_s": 60}),
    ("DELETE", "/api/keys/{key_id}"): Expected("keys.manage", 404),
    ("POST", "/api/tenants/{tenant_id}/archive"): Expected("platform.manage", 404),
    ("GET", "/api/tenant"): Expected("tenant.manage", 200),
    ("PATCH", "/api/tenant"): Expected("tenant.manage", 400, NOT_UNDERSTOOD),
    ("POST", "/api/tenant/archive"): Expected("tenant.manage", 200),
    ("POST", "/api/archives"): Expected("platform.manage", 415),
    ("POST", "/api/tenants/{tenant_id}/key-rotation"): Expected("platform.manage", 404),
    ("POST", "/api/backups"): Expected("platform.manage", 400, NOT_UNDERSTOOD),
    ("GET", "/api/tenants/{tenant_id}/usage"): Expected("platform.manage", 404),
    ("GET", "/api/widgets"): Expected("widgets.manage", 200),
    ("POST", "/api/widgets"): Expected("widgets.manage", 400, NOT_UNDERSTOOD),
    ("DELETE", "/api/widgets/{widget_id}"): Expected("widgets.manage", 404),
    ("GET", "/api/secrets"): Expected("secrets.manage", 200),
    ("PUT", "/api/secrets/{secret_name}"): Expected("secrets.manage", 400, NOT_UNDERSTOOD),
    ("DELETE", "/api/secrets/{secret_name}"): Expected("secrets.manage", 404),
    ("POST", "/api/models/use"): Expected("platform.manage", 404, {"name": "no-such-model"}),
    ("GET", "/api/tenants"): Expected("platform.manage", 200),
    ("POST", "/api/tenants"): Expected("platform.manage", 400, NOT_UNDERSTOOD),
    ("GET", "/api/tenants/{tenant_id}"): Expected("platform.manage", 404),
    ("PATCH", "/api/tenants/{tenant_id}"): Expected("platform.manage", 404, {"status": "suspended"}),
    ("DELETE", "/api/tenants/{tenant_id}"): Expected("platform.manage", 404),
    ("POST", "/api/tenants/{tenant_id}/users"): Expected(
        "platform.manage", 404, {"email": "new@one.example", "role": "admin"}
    ),
    ("GET", "/api/usage"): Expected("usage.read", 200, tenants_only=True),
    ("GET", "/api/audit"): Expected("audit.read", 200),
    ("GET", "/api/audit/verification"): Expected("audit.read", 200),
    ("GET", "/api/audit/export"): Expected("audit.read", 200),
}

SOCKETS: Mapping[str, Permission] = {"/ws/voice/continuous": "talk"}

MESSAGES: Mapping[str, Literal["a credential", "an open session"]] = {
    "start": "a credential",
    "text": "an open session",
    "played": "an open session",
    "cancel": "an open session",
    "stop": "an open session",
}
"""What every message of the socket needs. Audio, which has no type, needs an open session too."""
