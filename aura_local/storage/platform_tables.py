"""The tables of the platform's own file: tenants, people, credentials. Layer 1.

A migration that has been released is never edited; a change is a new one at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from aura_local.storage.audit_table import AUDIT_TABLE
from aura_local.storage.schema import Migration, run_in_order

PLATFORM_MIGRATIONS: Sequence[Migration] = (
    Migration(
        "0001_tenants",
        run_in_order(
            """
            CREATE TABLE tenants (
                id TEXT PRIMARY KEY,
                name TEXT NOT NULL UNIQUE,
                wrapped_key BLOB NOT NULL,
                created_at TEXT NOT NULL
            ) STRICT
            """,
            """
            CREATE TABLE api_keys (
                id TEXT PRIMARY KEY,
                tenant_id TEXT NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
                label TEXT NOT NULL,
                prefix TEXT NOT NULL UNIQUE,
                digest BLOB NOT NULL,  -- SHA-256 of the whole key
                created_at TEXT NOT NULL,
                last_used_at TEXT,
                revoked_at TEXT
            ) STRICT
            """,
            "CREATE INDEX api_keys_by_tenant ON api_keys(tenant_id)",
        ),
    ),
    Migration(
        "0002_tenant_administration",
        run_in_order(
            "ALTER TABLE tenants ADD COLUMN status TEXT NOT NULL DEFAULT 'active' "
            "CHECK (status IN ('active', 'suspended'))",
            "ALTER TABLE tenants ADD COLUMN tier TEXT",  # NULL: `metering.default_tier`
            "ALTER TABLE tenants ADD COLUMN public_page INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE api_keys ADD COLUMN scopes TEXT",  # separated by spaces; NULL: the usual
            "ALTER TABLE api_keys ADD COLUMN expires_at TEXT",
        ),
    ),
    Migration(
        "0003_people",
        run_in_order(
            """
            CREATE TABLE users (
                id TEXT PRIMARY KEY,
                tenant_id TEXT REFERENCES tenants(id) ON DELETE CASCADE,  -- NULL: of the platform
                email TEXT NOT NULL UNIQUE,  -- lower case
                name TEXT NOT NULL,
                role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
                status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
                password_hash TEXT,  -- argon2id; NULL: no password yet, or sign-in elsewhere
                epoch INTEGER NOT NULL DEFAULT 0,  -- raised to end every token issued so far
                created_at TEXT NOT NULL,
                last_login_at TEXT,
                CHECK ((role = 'owner') = (tenant_id IS NULL))
            ) STRICT
            """,
            "CREATE INDEX users_by_tenant ON users(tenant_id)",
            """
            CREATE TABLE links (  -- single use: set-up, invitation, password reset
                digest BLOB PRIMARY KEY,  -- SHA-256 of the secret in the link
                purpose TEXT NOT NULL CHECK (purpose IN ('setup', 'invitation', 'reset')),
                user_id TEXT REFERENCES users(id) ON DELETE CASCADE,  -- whose password is reset
                tenant_id TEXT REFERENCES tenants(id) ON DELETE CASCADE,
                email TEXT,
                role TEXT,
                created_at TEXT NOT NULL,
                expires_at TEXT NOT NULL,
                used_at TEXT
            ) STRICT
            """,
            """
            CREATE TABLE refresh_tokens (
                digest BLOB PRIMARY KEY,
                family TEXT NOT NULL,  -- all tokens that go back to one login
                user_id TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
                issued_at TEXT NOT NULL,
                expires_at TEXT NOT NULL,
                used_at TEXT,
                revoked_at TEXT
            ) STRICT
            """,
            "CREATE INDEX refresh_tokens_by_family ON refresh_tokens(family)",
            "CREATE INDEX refresh_tokens_by_user ON refresh_tokens(user_id)",
            """
            CREATE TABLE signing_keys (
                id TEXT PRIMARY KEY,
                secret BLOB NOT NULL,
                created_at TEXT NOT NULL,
                retired_at TEXT  -- still verifies until the last token it signed has expired
            ) STRICT
            """,
            """
            CREATE TABLE widgets (  -- pages, kiosks and sites whose visitors may talk
                id TEXT PRIMARY KEY,
                tenant_id TEXT NOT NULL REFERENCES tenants(id) ON DELETE CASCADE,
                kind TEXT NOT NULL CHECK (kind IN ('widget', 'kiosk')),
                label TEXT NOT NULL,
                origins TEXT NOT NULL,  -- JSON list of exact origins; empty: none may
                digest BLOB UNIQUE,  -- of a kiosk's enrolment secret
                created_at TEXT NOT NULL,
                revoked_at TEXT
            ) STRICT
            """,
            "CREATE INDEX widgets_by_tenant ON widgets(tenant_id)",
        ),
    ),
    Migration("0004_audit", run_in_order(*AUDIT_TABLE)),
)
