"""Refresh tokens: good for one exchange, and a family that dies when one is used twice. Layer 2.

All tokens that go back to one login are a family. A token that comes a second time has been copied, and
which of the two holders is the thief cannot be known: so both are signed out. These functions run inside
`Database.write`; none raises for a bad token, because that would undo the end of the family.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlite_utils

from aura_local.accounts.moments import stamp
from aura_local.accounts.random_secrets import digest_of, new_id, new_secret


def new_token(
    database: sqlite_utils.Database, user_id: str, family: str | None, now: datetime, lifetime: timedelta
) -> str:
    """A token that goes on in `family`, or begins one. Those that have expired are swept out."""
    token = new_secret()
    database.conn.execute(
        "DELETE FROM refresh_tokens WHERE user_id = ? AND expires_at <= ?", (user_id, stamp(now))
    )
    database.conn.execute(
        "INSERT INTO refresh_tokens (digest, family, user_id, issued_at, expires_at) VALUES (?, ?, ?, ?, ?)",
        (digest_of(token), family or new_id(), user_id, stamp(now), stamp(now + lifetime)),
    )
    return token


def holder_of(database: sqlite_utils.Database, token: str, now: datetime) -> tuple[str, str] | None:
    """The person and the family of a token that is still good. A used one ends its family, here and now."""
    rows = list(
        database.query(
            "SELECT family, user_id, expires_at, used_at, revoked_at FROM refresh_tokens WHERE digest = ?",
            (digest_of(token),),
        )
    )
    if not rows:
        return None
    (row,) = rows
    if row["used_at"] is not None:
        end_family(database, row["family"], now)
        return None
    if row["revoked_at"] is not None or row["expires_at"] <= stamp(now):
        return None
    return row["user_id"], row["family"]


def use_up(database: sqlite_utils.Database, token: str, now: datetime) -> None:
    """The token has been exchanged for another one."""
    database.conn.execute(
        "UPDATE refresh_tokens SET used_at = ? WHERE digest = ?", (stamp(now), digest_of(token))
    )


def end_family(database: sqlite_utils.Database, family: str, now: datetime) -> None:
    """No token of the family is good any more."""
    database.conn.execute(
        "UPDATE refresh_tokens SET revoked_at = ? WHERE family = ? AND revoked_at IS NULL",
        (stamp(now), family),
    )


def end_family_of(database: sqlite_utils.Database, token: str, now: datetime) -> str | None:
    """End the family that a token belongs to, whatever state it is in; returns whose it was."""
    rows = list(
        database.query("SELECT family, user_id FROM refresh_tokens WHERE digest = ?", (digest_of(token),))
    )
    if not rows:
        return None
    end_family(database, rows[0]["family"], now)
    return str(rows[0]["user_id"])
