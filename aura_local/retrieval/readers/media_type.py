"""Says what a file is from its content. The name only decides among the kinds of plain text. Layer 2."""

from __future__ import annotations

import codecs
import io
import json
import re
import zipfile
from typing import Final, Literal, TypeAlias

from aura_local.errors import DocumentUnreadable, UnsupportedMedia

MediaType: TypeAlias = Literal[
    "text/plain",
    "text/markdown",
    "text/html",
    "text/csv",
    "application/json",
    "message/rfc822",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.oasis.opendocument.text",
    "application/epub+zip",
    "application/zip",
    "image/png",
    "image/jpeg",
    "image/tiff",
    "image/webp",
]
PDF: Final[MediaType] = "application/pdf"
MAIL: Final[MediaType] = "message/rfc822"
DOCX: Final[MediaType] = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX: Final[MediaType] = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX: Final[MediaType] = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODT: Final[MediaType] = "application/vnd.oasis.opendocument.text"
EPUB: Final[MediaType] = "application/epub+zip"
ZIP: Final[MediaType] = "application/zip"
READ_HERE: Final = (
    "txt, md, html, pdf, docx, pptx, xlsx, csv, json, epub, eml, odt, zip, png, jpeg, tiff and webp are read"
)
IMAGES: Final[frozenset[MediaType]] = frozenset({"image/png", "image/jpeg", "image/tiff", "image/webp"})

_BY_NAME: Final[dict[str, MediaType]] = {
    ".txt": "text/plain",
    ".text": "text/plain",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/json",
    ".ndjson": "application/json",
    ".eml": MAIL,
}
_IMAGE_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})
_BINARY_SUFFIXES: Final = _IMAGE_SUFFIXES | {".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".epub", ".zip"}
READABLE_SUFFIXES: Final[frozenset[str]] = frozenset(_BY_NAME) | _BINARY_SUFFIXES
"""Endings, in small letters, of the names of files worth offering. What a file is, its content says."""

_IMAGES: Final[tuple[tuple[bytes, MediaType], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
)
_FOREIGN: Final[tuple[tuple[bytes, str], ...]] = (
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xce\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a macOS program or Java class"),
    (b"\x00asm", "a WebAssembly program"),
    (b"GIF8", "a GIF image"),
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
    (b"{\\rtf", "a rich-text (RTF) document; save it as docx or pdf"),
    (b"%!PS", "a PostScript document; save it as pdf"),
)
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD_OFFICE: Final = (  # stream names in the directory of the compound file
    ("WordDocument", "an old Word document (doc); save it as docx or pdf"),
    ("Workbook", "an old Excel workbook (xls); save it as xlsx or csv"),
    ("PowerPoint Document", "an old PowerPoint presentation (ppt); save it as pptx or pdf"),
    ("__properties_version1.0", "an Outlook message (msg); save it as eml"),
)
_PACKAGES: Final[tuple[tuple[str, MediaType], ...]] = (
    ("word/document", DOCX),
    ("ppt/presentation", PPTX),
    ("xl/workbook", XLSX),
)
_OTHER_PACKAGES: Final = (
    ("xl/workbook.bin", "a binary Excel workbook (xlsb); save it as xlsx"),
    ("AndroidManifest.xml", "an Android program"),
    ("META-INF/MANIFEST.MF", "a Java archive"),
    ("visio/document.xml", "a Visio drawing; save it as pdf"),
)
_MIMETYPES: Final[dict[str, MediaType]] = {str(ODT): ODT, f"{ODT}-template": ODT, str(EPUB): EPUB}
_HTML: Final = re.compile(
    r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|h[1-6]|p|div|title)\b",
    re.I | re.S,
)
_MAIL_FIELD: Final = re.compile(
    r"^(From|To|Subject|Date|Message-ID|MIME-Version|Received|Return-Path|Content-Type):", re.I | re.M
)
_HEAD_CHARACTERS: Final = 16_384
_SCRIPT: Final = re.compile(r"#![ \t]*/")


def binary_media_type(data: bytes) -> MediaType | None:
    """The kind of a pdf, image or archive; None when `data` may be text. Its first bytes are enough.

    Office documents and e-books are archives here; `package_type` tells them apart. Raises
    `UnsupportedMedia` naming what else it is, `DocumentUnreadable` for an encrypted office document.
    """
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    for magic, media_type in _IMAGES:
        if data.startswith(magic):
            return media_type
    # Readers of PDF accept a little rubbish in front; a program stays a program all the same.
    for magic, description in _FOREIGN:
        if data.startswith(magic) and (magic.startswith(b"{") or not magic.isalnum() or not _is_text(data)):
            raise UnsupportedMedia(f"The file is {description}, not a document ({READ_HERE}).")
    if b"%PDF-" in data[:1024]:
        return PDF
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZIP
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise DocumentUnreadable("The document needs a password; remove it and try again.")
        for stream, description in _OLD_OFFICE:
            if stream.encode("utf-16-le") in data:
                raise UnsupportedMedia(f"The file is {description}.")
        raise UnsupportedMedia("The file is in an old Office format (doc, xls, ppt); save it as docx or pdf.")
    return None


def package_type(data: bytes) -> MediaType:
    """What kind of archive this is; raises `UnsupportedMedia` and `DocumentUnreadable`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            mimetype = ""
            if "mimetype" in names and archive.getinfo("mimetype").compress_type == zipfile.ZIP_STORED:
                with archive.open("mimetype") as member:
                    mimetype = member.read(200).decode("ascii", "replace").strip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise DocumentUnreadable(
            "The file (an archive or office document) is damaged or cut short and cannot be opened."
        ) from error
    if mimetype in _MIMETYPES:
        return _MIMETYPES[mimetype]
    if mimetype.startswith("application/vnd.oasis.opendocument."):
        kind = mimetype.rpartition(".")[2]
        raise UnsupportedMedia(f"The file is an OpenDocument {kind}; save it as odt, xlsx, pptx or pdf.")
    for name, description in _OTHER_PACKAGES:
        if name in names:
            raise UnsupportedMedia(f"The file is {description}.")
    for prefix, media_type in _PACKAGES:
        if any(name.startswith(prefix) for name in names):
            return media_type
    return ZIP


def _is_text(data: bytes) -> bool:
    """Whether this may be a text that happens to begin with the letters of a magic number."""
    sample = data[:4096]
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return b"\x00" not in sample


def suffix_of(name: str) -> str:
    """The last ending of a file name in small letters, with its dot; empty where it has none."""
    return f".{name.lower().rpartition('.')[2]}" if "." in name else ""


def text_media_type(text: str, name: str) -> MediaType:
    """The kind of a text: by its content where that is plain to see, else by its name.

    Raises `UnsupportedMedia` where the name claims a binary document, or the text is a program.
    """
    suffix = suffix_of(name)
    if suffix in _BINARY_SUFFIXES:
        raise UnsupportedMedia(f"The file is named {suffix} but holds plain text, not such a document.")
    by_name = _BY_NAME.get(suffix, "text/plain")
    head = text[:_HEAD_CHARACTERS]
    if _SCRIPT.match(head):
        raise UnsupportedMedia(f"The file is a program (a script), not a document ({READ_HERE}).")
    if by_name == "text/html" or _HTML.match(head[:4096]):
        return "text/html"
    if by_name == "text/markdown":
        return by_name
    if by_name == MAIL or _is_mail(head):
        return MAIL
    if by_name != "application/json" and text.lstrip()[:1] in ("{", "[") and _is_json(text):
        return "application/json"
    return by_name


def _is_mail(head: str) -> bool:
    """Whether the text begins with the fields of a message, and has more than a letter's own few."""
    fields, _, _ = head.partition("\n\n")
    found = {field.lower() for field in _MAIL_FIELD.findall(fields)}
    return bool(re.match(r"[A-Za-z-]{2,40}:", head)) and len(found) >= 3 and "from" in found


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
