"""Every way of damaging a bundle that the tests try: more than a hundred."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.bundle.made_bundles import STRANGER, Damage, flip, parts, signed, small_bootstrap, told

NAMES = {
    "absolute": "/etc/passwd",
    "parent": "documentation/../../x",
    "parent-first": "../documentation/x",
    "dot": "documentation/./x",
    "empty-part": "documentation//x",
    "trailing-slash": "documentation/x/",
    "backslash": "documentation\\x",
    "drive": "documentation/C:x",
    "hidden": "documentation/.ssh",
    "line-end": "documentation/a\nb",
    "zero": "documentation/a\x00b",
    "bell": "documentation/a\x07b",
    "space": "documentation/a b",
    "tilde": "documentation/~root",
    "dash-first": "documentation/--option",
    "trailing-dot": "documentation/x.",
    "right-to-left": "documentation/a\u202eb",
    "not-ascii": "documentation/ä",
    "too-deep": "documentation/" + "/".join("abcdefghij"),
    "too-long-part": "documentation/" + "a" * 129,
    "too-long": "documentation/" + "/".join(["a" * 100] * 3),
    "no-folder": "README.md",
    "none": "",
}
NUMBERS = {"negative": -1, "huge": 2**63, "fraction": 1.5, "text": "12", "yes": True, "nothing": None}


def damages(content: bytes) -> Iterator[Damage]:
    """For a bundle of FILES in their own order, carried whole."""
    _, manifest, rest = parts(content)
    start = len(content) - len(rest)
    yield from _of_the_header(start)
    table: dict[str, Any] = json.loads(manifest)
    for file in table["files"]:
        if file["bytes"]:
            for where in (0, file["bytes"] // 2, file["bytes"] - 1):
                place = start + file["offset"] + where
                yield Damage(f"flip-{file['name']}-{where}", flip(place, where % 8), file["name"])
    behind = len(rest) - len(small_bootstrap())
    for where in (0, 500, len(small_bootstrap()) - 1):
        yield Damage(f"flip-bootstrap-{where}", flip(start + behind + where), "bootstrap")
    yield from _of_the_length(content, start, behind, table)
    yield from _of_the_manifest()
    yield Damage("signed-by-another", lambda c: signed(*parts(c)[1:], key=STRANGER), "is signed by")


def _of_the_header(start: int) -> Iterator[Damage]:
    for place in (0, 11, 15):
        yield Damage(f"flip-magic-{place}", flip(place), "header")
    yield Damage("length-huge", flip(16, 7), "header")
    yield Damage("length-other", flip(19, 0), "manifest")
    for place in (20, 51, 52, 83):
        yield Damage(f"flip-signature-{place}", flip(place), "manifest")
    for place in (84, 115):
        yield Damage(f"flip-key-{place}", flip(place), "manifest")
    for place in (116, (116 + start) // 2, start - 1):
        yield Damage(f"flip-manifest-{place}", flip(place, 3), "manifest")
    yield Damage("length-nothing", lambda c: c[:16] + bytes(4) + c[20:], "header")
    yield Damage("text-transfer", lambda c: c.replace(b"\r\n", b"\n", 1), "header")


def _of_the_length(content: bytes, start: int, behind: int, table: dict[str, Any]) -> Iterator[Damage]:
    for length in (0, 1, 15, 16, 60, 115):
        yield Damage(f"cut-{length}", lambda c, n=length: c[:n], "header")  # type: ignore[misc]
    for length in (116, start - 1):
        yield Damage(f"cut-{length}", lambda c, n=length: c[:n], "manifest")  # type: ignore[misc]
    for file in table["files"]:
        if file["bytes"]:
            end = start + file["offset"] + file["bytes"] - 1
            yield Damage(f"cut-in-{file['name']}", lambda c, n=end: c[:n], file["name"])  # type: ignore[misc]
    yield Damage("cut-before-bootstrap", lambda c: c[: start + behind], "bootstrap")
    yield Damage("cut-last-byte", lambda c: c[:-1], "bootstrap")
    yield Damage("one-byte-more", lambda c: c + b"\0", "end of the file")
    yield Damage("another-zip-behind", lambda c: c + small_bootstrap(), "end of the file")
    yield Damage("bytes-between", lambda c: c[:start] + b"x" + c[start:], "end of the file")


def _of_the_manifest() -> Iterator[Damage]:
    """Well signed, and still not believed."""

    def setting(field: str, value: Any, file: bool = False) -> Damage:
        def change(table: dict[str, Any]) -> None:
            (table["files"][0] if file else table)[field] = value

        return Damage(f"{field}-{str(value)[:30]!r}", told(change), "refused")

    for title, name in NAMES.items():
        yield Damage(f"name-{title}", setting("name", name, file=True).work, "no name that a file may have")
    for title, number in NUMBERS.items():
        yield Damage(f"bytes-{title}", setting("bytes", number, file=True).work, "bytes of")
        yield Damage(f"offset-{title}", setting("offset", number, file=True).work, "README.md")
        yield Damage(f"serial-{title}", setting("serial", number).work, "serial")
    yield Damage("offset-false", setting("offset", False, file=True).work, "README.md")
    for kind in ("wheel", "link", "", None, ["wheel"]):
        yield Damage(f"kind-{kind}", setting("kind", kind, file=True).work, "folder of its kind")
    for field, value in (("format", 2), ("product", "other"), ("version", "../1"), ("created", "now")):
        yield setting(field, value)
    for field, value in (("platform", "a b"), ("python", "pp3"), ("profile", "A/B"), ("base", "x")):
        yield setting(field, value)
    yield setting("licences", [])
    yield setting("files", {})
    yield setting("files", [{}] * 20_001)
    yield setting("bootstrap", {"bytes": 2**40, "sha256": "0" * 64})
    yield setting("unknown", 1)
    yield Damage("link-to", setting("link", "/etc/passwd", file=True).work, "other fields")
    yield Damage("digest-short", setting("sha256", "ab", file=True).work, "README.md")
    yield Damage("digest-other", setting("sha256", "0" * 64, file=True).work, "README.md")
    yield Damage("twice", told(lambda t: t["files"].append(_again(t, t["files"][0]["name"]))), "twice")
    capitals = "documentation/readme.MD"
    yield Damage("twice-in-capitals", told(lambda t: t["files"].append(_again(t, capitals))), "twice")
    inside = "documentation/README.md/x"
    yield Damage("file-and-folder", told(lambda t: t["files"].append(_again(t, inside))), "a folder at once")
    yield Damage("no-json", lambda c: signed(b"{", parts(c)[2]), "no JSON")
    yield Damage("deep-json", lambda c: signed(b"[" * 100_000, parts(c)[2]), "no JSON")
    yield Damage(
        "spaces",
        lambda c: signed(parts(c)[1].replace(b'"format":1', b'"format": 1'), parts(c)[2]),
        "canonical",
    )
    doubled = b'{"base":null,"base":null,'
    yield Damage(
        "field-twice",
        lambda c: signed(parts(c)[1].replace(b'{"base":null,', doubled), parts(c)[2]),
        "canonical",
    )


def _again(table: dict[str, Any], name: str) -> dict[str, Any]:
    last = table["files"][-1]
    end = last["offset"] + last["bytes"]
    return {**table["files"][0], "name": name, "bytes": 0, "offset": end, "kind": "document"}
