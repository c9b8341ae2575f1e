"""Finds the encoding of a text, or refuses it.

Order: byte order mark, UTF-8, UTF-16/32 by its pattern of zero bytes, the encoding an HTML page
declares, Windows-1252. The last one accepts any bytes at all, so it must look like Western European
text. Text that is UTF-8 with broken places is refused, not guessed at: the owner can save it again, but
nobody would notice the letters that a guess got wrong.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from aura_local.errors import DocumentUnreadable, UnsupportedMedia

_MARKS: Final = (  # UTF-32 first: its mark begins with the mark of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED: Final = re.compile(rb"""charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)
_UTF8_SEQUENCE: Final = re.compile(
    rb"[\xc3-\xdf][\x80-\xbf]|[\xe1-\xef][\x80-\xbf]{2}|[\xf1-\xf4][\x80-\xbf]{3}"
)
_LOWER: Final = "a-zßàáâãäåæçèéêëìíîïñòóôõöøùúûüœšž"
_UPPER: Final = "A-ZÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜŒŠŽ"
_WORD: Final = re.compile(f"[{_UPPER}]?[{_LOWER}]{{2,}}|[{_UPPER}]{{2,}}|[ÀàÈèÉéÒòÓóÚúÍí]")
_PUNCTUATION: Final = frozenset("€‚„…‘’“”•–—™ ¡£§©«®°²³µ·»¼½¾¿")
_CONTROL_SHARE_LIMIT: Final = 0.02


def decode_text(data: bytes, *, declared_in_html: bool = False) -> str:
    """The text of `data`.

    Raises `UnsupportedMedia` for bytes that are no text and `DocumentUnreadable` for damaged text.
    """
    text = _decode(data, declared_in_html)
    controls = sum(1 for character in text if character < " " and character not in "\t\n\r\f\v")
    if controls > _CONTROL_SHARE_LIMIT * len(text):
        raise UnsupportedMedia("The file is binary data of an unknown kind, not a document.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, declared_in_html: bool) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strictly(data, encoding)
    zeros = _encoding_by_zeros(data)
    if zeros is not None:
        return _strictly(data, zeros)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        broken_at = error.start
    if declared_in_html:
        declared = _DECLARED.search(data[:4096])
        text = _as_declared(data, declared[1].decode("ascii")) if declared else None
        if text is not None:
            return text
    if not _UTF8_SEQUENCE.search(data):
        text = data.decode("cp1252", "replace")
        if _looks_western(text):
            return text
    if _mostly_binary(data):
        raise UnsupportedMedia("The file is binary data of an unknown kind, not a document.")
    raise DocumentUnreadable(f"The text is broken UTF-8 (at byte {broken_at}); save it as UTF-8 again.")


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DocumentUnreadable(
            f"The text is damaged {encoding.upper()} (at byte {error.start})."
        ) from error


def _encoding_by_zeros(data: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: the zero bytes of Western text stand in fixed columns."""
    sample = data[:4096]
    if len(sample) < 4 or b"\x00" not in sample:
        return None
    sample = sample[: len(sample) // 4 * 4]
    filled = [sum(1 for byte in sample[column::4] if byte) / (len(sample) // 4) for column in range(4)]
    patterns = {"utf-32-le": (1, 0, 0, 0), "utf-32-be": (0, 0, 0, 1), "utf-16-le": (1, 0, 1, 0)}
    patterns["utf-16-be"] = (0, 1, 0, 1)
    for encoding, pattern in patterns.items():
        if all(abs(share - expected) < 0.3 for share, expected in zip(filled, pattern, strict=True)):
            return encoding
    return None


def _as_declared(data: bytes, name: str) -> str | None:
    try:
        information = codecs.lookup(name)
        # Only character sets: Python's registry also holds base64, zlib and the like.
        return data.decode(name) if getattr(information, "_is_text_encoding", False) else None
    except (LookupError, UnicodeError):
        return None


def _looks_western(text: str) -> bool:
    """Whether every letter beyond ASCII stands inside something built like a word."""
    if any("\x7f" <= character <= "\x9f" or character == "�" for character in text):
        return False
    for token in re.findall(r"\w*[^\x00-\x7f]\w*", text):
        letters = "".join(character for character in token if character not in _PUNCTUATION)
        foreign = not letters.isascii()
        if foreign and not _WORD.fullmatch(letters):
            return False
    return True


def _mostly_binary(data: bytes) -> bool:
    sample = data[:65536]
    controls = sum(1 for byte in sample if byte < 32 and byte not in b"\t\n\r\f\v\x1b")
    return controls > _CONTROL_SHARE_LIMIT * len(sample)
