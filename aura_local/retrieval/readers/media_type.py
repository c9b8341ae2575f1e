"""Says what a file is from its content. The name only decides among the kinds of plain text."""

from __future__ import annotations

import codecs
import re
from typing import Final, Literal, TypeAlias

from aura_local.errors import DocumentUnreadable, UnsupportedMedia

MediaType: TypeAlias = Literal[
    "text/plain",
    "text/markdown",
    "text/html",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
]
DOCX: Final[MediaType] = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
READ_HERE: Final = "txt, md, html, pdf and docx are read"

_FOREIGN: Final[tuple[tuple[bytes, str], ...]] = (
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xce\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a macOS program or Java class"),
    (b"\x00asm", "a WebAssembly program"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"RIFF", "an audio or video file"),
    (b"OggS", "an audio file"),
    (b"fLaC", "an audio file"),
    (b"ID3", "an audio file"),
    (b"\x1a\x45\xdf\xa3", "a video file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"{\\rtf", "a rich-text (RTF) document"),
    (b"%!PS", "a PostScript document"),
)
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HTML: Final = re.compile(
    r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|h[1-6]|p|div|title)\b",
    re.I | re.S,
)


def binary_media_type(data: bytes) -> MediaType | None:
    """The kind of a pdf or docx; None when `data` may be text.

    Raises `UnsupportedMedia` naming what else it is, `DocumentUnreadable` for an encrypted docx.
    """
    # Readers of PDF accept a little rubbish in front; a program stays a program all the same.
    for magic, description in _FOREIGN:
        if data.startswith(magic) and (not magic.isalnum() or not _is_text(data)):
            raise UnsupportedMedia(f"The file is {description}, not a document ({READ_HERE}).")
    if b"%PDF-" in data[:1024]:
        return "application/pdf"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return DOCX
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise DocumentUnreadable("The document needs a password; remove it and try again.")
        raise UnsupportedMedia("The file is in an old Office format (doc, xls, ppt); save it as docx or pdf.")
    return None


def _is_text(data: bytes) -> bool:
    """Whether this may be a text that happens to begin with the letters of a magic number."""
    sample = data[:4096]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return b"\x00" not in sample


def text_media_type(text: str, name: str) -> MediaType:
    """The kind of a text: HTML by its content, Markdown by its name, else plain.

    Raises `UnsupportedMedia` where the name claims a binary document.
    """
    extension = name.lower().rpartition(".")[2] if "." in name else ""
    if extension in ("pdf", "docx"):
        raise UnsupportedMedia(f"The file is named .{extension} but holds plain text, not such a document.")
    if _HTML.match(text[:4096]) or extension in ("html", "htm", "xhtml"):
        return "text/html"
    return "text/markdown" if extension in ("md", "markdown") else "text/plain"
