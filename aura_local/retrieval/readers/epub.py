"""Reads e-books (EPUB 2 and 3): the chapters of the spine, in order, with the reader of HTML. Layer 2."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from aura_local.errors import DocumentUnreadable
from aura_local.retrieval.readers.block import Block, Reading, one_line
from aura_local.retrieval.readers.encodings import decode_text
from aura_local.retrieval.readers.html import read_html
from aura_local.retrieval.readers.limits import ReadingLimits
from aura_local.retrieval.readers.package import Package, open_document
from aura_local.retrieval.readers.xml_tree import attribute, local_name, xml_root

_DAMAGED: Final = "The e-book is damaged or cut short and cannot be opened."
_CONTAINER: Final = "META-INF/container.xml"
_ENCRYPTION: Final = "META-INF/encryption.xml"
_FONT_METHODS: Final = (b"http://www.idpf.org/2008/embedding", b"http://ns.adobe.com/pdf/enc#RC")
"""Fonts are often obfuscated in books that are otherwise open."""


def read_epub(data: bytes, limits: ReadingLimits) -> Reading:
    package = open_document(data, limits, _DAMAGED)
    if _ENCRYPTION in package.members:
        encrypted = package.read(_ENCRYPTION)
        fonts = sum(encrypted.count(method) for method in _FONT_METHODS)
        if encrypted.count(b"EncryptionMethod ") > fonts:
            raise DocumentUnreadable("The e-book is protected against copying and cannot be read.")
    container = xml_root(package.read(_CONTAINER), _DAMAGED)
    opf_name = next((attribute(e, "full-path") for e in container.iter() if local_name(e) == "rootfile"), "")
    opf = xml_root(package.read(opf_name), _DAMAGED)
    title = next((one_line(e.text or "") for e in opf.iter() if local_name(e) == "title"), "")
    warnings: list[str] = []
    return Reading(title, _blocks(package, _spine(opf, opf_name), warnings), warnings)


def _spine(opf: Element, opf_name: str) -> list[str]:
    """Names of the members in reading order, tables of contents left out."""
    folder = posixpath.dirname(opf_name)
    items: dict[str, str] = {}
    for element in opf.iter():
        if local_name(element) == "item" and "nav" not in attribute(element, "properties").split():
            items[attribute(element, "id")] = attribute(element, "href")
    references = (attribute(e, "idref") for e in opf.iter() if local_name(e) == "itemref")
    hrefs = (items[reference].partition("#")[0] for reference in references if reference in items)
    return [posixpath.normpath(posixpath.join(folder, unquote(href))) for href in hrefs]


def _blocks(package: Package, spine: list[str], warnings: list[str]) -> Iterator[Block]:
    missing = 0
    for name in dict.fromkeys(spine):
        if name not in package.members:
            missing += 1
            continue
        chapter = read_html(decode_text(package.read(name), declared_in_html=True))
        titled = False
        for block in chapter.blocks:
            if not titled and block.kind != "heading" and chapter.title:
                yield Block("heading", chapter.title, level=1)
            titled = True
            yield replace(block, level=max(1, block.level)) if block.kind == "heading" else block
    if missing:
        warnings.append(f"{missing} chapters are missing from the e-book.")
