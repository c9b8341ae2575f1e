"""One entry of an audit log, and the digest that chains it to the entry before. Layer 2.

    digest = SHA-256(digest of the entry before || canonical JSON of
                     [chain, sequence, at, actor, action, subject, details])

Canonical JSON has sorted keys, no spaces and only ASCII, so that anyone can compute it again from an export.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

GENESIS: Final = bytes(32)
"""What the first entry follows."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What was done. Ids and codes only; nothing here is secret within its tenant."""

    chain: str
    """`platform`, or the id of a tenant."""
    sequence: int
    """From 1, without gaps."""
    at: str
    """UTC, ISO 8601."""
    actor: str
    """Who did it: a principal's subject (`user:6943160b176b221a`), `command` or `system`."""
    action: str
    subject: str
    """The id of what it was done to."""
    details: Mapping[str, Any]
    previous: str
    """Digest of the entry before, hexadecimal."""
    digest: str

    def as_json(self) -> str:
        """One line of JSON, of which `digest` can be computed again."""
        return canonical_json({name: getattr(self, name) for name in self.__slots__})


def canonical_json(value: object) -> str:
    """Raises ValueError or TypeError for what is not JSON: dates, bytes, NaN, a circle."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def entry_digest(
    previous: bytes,
    chain: str,
    sequence: int,
    at: str,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, object],
) -> bytes:
    """32 bytes. Raises like `canonical_json`."""
    content = canonical_json([chain, sequence, at, actor, action, subject, details])
    return hashlib.sha256(previous + content.encode("ascii")).digest()
