"""The names of everything that is audited. Layer 2.

A name is never given another meaning: entries that were written years ago keep theirs.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

Action = Literal[
    # Details of all actions hold ids, counts, roles and codes. Never a secret, a text, or an e-mail address.
    "login",
    "login_failed",
    "logout",
    "refresh_token.reused",
    "user.invited",
    "user.created",
    "user.renamed",
    "user.role_changed",
    "user.suspended",
    "user.resumed",
    "user.removed",
    "user.password_chosen",
    "user.password_changed",
    "user.password_reset",
    "key.created",
    "key.rotated",
    "key.revoked",
    "signing_key.rotated",
    "widget.created",
    "widget.revoked",
    "secret.stored",
    "secret.removed",
    "tenant.created",
    "tenant.renamed",
    "tenant.suspended",
    "tenant.resumed",
    "tenant.tier_changed",
    "tenant.exported",
    "tenant.imported",
    "tenant.erased",
    "tenant.key_rotated",
    "master.rotated",
    "backup.made",
    "backup.restored",
    "model.used",
    "policy.changed",
    "egress.permitted",
    "document.deleted",
    "audit.exported",
    "usage.exported",
]

ACTIONS: Final[frozenset[str]] = frozenset(get_args(Action))
