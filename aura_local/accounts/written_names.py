"""What people write about themselves and their things: e-mail addresses, names, labels. Layer 2."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from aura_local.errors import InvalidRequest

EMAIL_LIMIT_CHARACTERS: Final = 254
"""RFC 5321; nothing longer can be delivered to."""

NAME_LIMIT_CHARACTERS: Final = 100

# Anything more precise refuses addresses that exist; that nobody else has it shows when a link arrives.
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+")


def checked_email(written: str) -> str:
    """Lower case, composed (NFC), without spaces around it. Raises `InvalidRequest`."""
    # Composed last: lower case of one letter can be two that compose.
    email = unicodedata.normalize("NFC", written.strip().lower())
    if len(email) > EMAIL_LIMIT_CHARACTERS or not email.isprintable() or _EMAIL.fullmatch(email) is None:
        raise InvalidRequest("This is not an e-mail address.")
    return email


def checked_name(written: str) -> str:
    """A person's name: 1 to 100 printable characters. Raises `InvalidRequest`."""
    name = checked_label(written)
    if not name:
        raise InvalidRequest(f"A name is 1 to {NAME_LIMIT_CHARACTERS} printable characters.")
    return name


def checked_label(written: str) -> str:
    """What a key or widget is called: up to 100 printable characters. Raises `InvalidRequest`."""
    label = unicodedata.normalize("NFC", written.strip())
    # Lone surrogates are not printable either: nothing gets here that the database could not write.
    if len(label) > NAME_LIMIT_CHARACTERS or not label.isprintable():
        raise InvalidRequest(f"A name or label is up to {NAME_LIMIT_CHARACTERS} printable characters.")
    return label
