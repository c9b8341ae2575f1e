"""Parses the XML inside documents: no entities, no external parts, no depth without end. Layer 2."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from aura_local.errors import DocumentUnreadable


def xml_root(content: bytes, damaged: str) -> Element:
    """The root of a part; raises `DocumentUnreadable` with `damaged` for bad XML or any entity."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(content)
    except DefusedXmlException as error:
        raise DocumentUnreadable("The document defines entities of its own; these are not read.") from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise DocumentUnreadable(damaged) from error
    return root


def local_name(element: Element) -> str:
    """The tag without its namespace; empty for comments and the like."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Element, name: str) -> str:
    """The attribute of that local name, whatever its namespace; empty where there is none."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def events(root: Element) -> Iterator[tuple[bool, Element]]:
    """Each element twice, entering (True) and leaving; without recursion: depth is the author's choice."""
    stack: list[tuple[Element, Iterator[Element]]] = [(root, iter(root))]
    yield True, root
    while stack:
        element, children = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
            yield False, element
        else:
            yield True, child
            stack.append((child, iter(child)))
