"""Secrets of 256 random bits, of which only a digest is kept. Layer 2.

They need no slow password hash: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import re
import secrets

TAIL_PATTERN = r"[A-Za-z0-9_-]{43}"

_SECRET = re.compile(TAIL_PATTERN)


def new_secret() -> str:
    """43 characters that are safe in an address."""
    return secrets.token_urlsafe(32)


def new_id() -> str:
    """16 hexadecimal digits: a name, not a secret."""
    return secrets.token_hex(8)


def looks_like_secret(presented: str) -> bool:
    """Whether it can be one of ours; what cannot is neither hashed nor looked up."""
    return _SECRET.fullmatch(presented) is not None


def digest_of(secret: str) -> bytes:
    """SHA-256; of any text, lone surrogates included."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
