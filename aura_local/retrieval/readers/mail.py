"""Reads an e-mail message (eml): subject, who wrote to whom and when, and its text. Layer 2.

Attachments are named, not opened: whoever wants them found adds them as documents of their own.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage, MIMEPart
from typing import Final

from aura_local.errors import DocumentUnreadable
from aura_local.retrieval.readers.block import Block, Reading, one_line
from aura_local.retrieval.readers.encodings import decode_text
from aura_local.retrieval.readers.html import read_html
from aura_local.retrieval.readers.text import read_text

_FIELDS: Final = ("From", "To", "Cc", "Date")
_FIELD_CHARACTERS: Final = 500
_DAMAGED: Final = "The message is damaged and cannot be read."


def read_mail(data: bytes) -> Reading:
    try:
        message = email.message_from_bytes(data, policy=email.policy.default)
        subject = _field(message, "Subject")
    except (ValueError, LookupError, RecursionError, AttributeError, TypeError, IndexError) as error:
        raise DocumentUnreadable(_DAMAGED) from error
    if not message.keys():
        raise DocumentUnreadable("The file is no e-mail message: it does not begin with its fields.")
    return Reading(subject, _blocks(message, subject), [])


def _blocks(message: EmailMessage, subject: str) -> Iterator[Block]:
    if subject:
        yield Block("heading", subject, level=1)
    fields = ((name, _field(message, name)) for name in _FIELDS)
    line = " | ".join(f"{name}: {value}" for name, value in fields if value)
    if line:
        yield Block("paragraph", line)
    try:
        body = message.get_body(preferencelist=("plain", "html"))
        if body is not None:
            yield from _body(body)
        names = [one_line(part.get_filename() or "") for part in message.iter_attachments()]
    except (ValueError, LookupError, RecursionError, AttributeError, TypeError) as error:
        raise DocumentUnreadable(_DAMAGED) from error
    named = [name for name in names if name]
    if named:
        yield Block("paragraph", f"Attachments: {', '.join(named)}")


def _body(part: MIMEPart) -> Iterator[Block]:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    try:
        text = content.decode(part.get_content_charset("utf-8"))
    except (LookupError, UnicodeDecodeError):  # no charset, or a wrong one
        text = decode_text(content)
    html = part.get_content_type() == "text/html"
    yield from read_html(text).blocks if html else read_text(_unquoted(text.replace("\r\n", "\n"))).blocks


def _unquoted(text: str) -> str:
    """The text without the marks of quotation and without the signature."""
    body, _, _ = f"\n{text}".partition("\n-- \n")
    return "\n".join(line.lstrip("> ") if line.startswith(">") else line for line in body.split("\n"))


def _field(message: EmailMessage, name: str) -> str:
    try:
        return one_line(str(message.get(name, "")))[:_FIELD_CHARACTERS]
    except (
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
        IndexError,
    ):  # the parser of fields leaks them
        return ""
