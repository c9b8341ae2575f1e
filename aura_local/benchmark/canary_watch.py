"""Looks for words that must not be where they are found. Layer 4."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aura_local.benchmark.http_access import Answer


def new_canary() -> str:
    """128 random bits as 32 letters, which no encoding of texts or addresses changes."""
    return "".join("bcdfghjklmnpqrst"[int(digit, 16)] for digit in secrets.token_hex(16))


@dataclass(slots=True)
class CanaryWatch:
    """Sees everything that leaves a server. `canaries`: the word of each tenant, by the tenant's id."""

    canaries: Mapping[str, str]
    found: list[str] = field(default_factory=list)
    """Where a word was that does not belong there; no words."""
    looked_at_bytes: int = 0
    own: set[str] = field(default_factory=set)
    """Tenants that got their own word at least once: without it nothing would have been proved."""

    def look(self, owner: str | None, where: str, data: bytes) -> None:
        """What was sent to `owner`, or to nobody in particular: then no word at all may be in it."""
        self.looked_at_bytes += len(data)
        lower = data.lower()
        for tenant_id, canary in self.canaries.items():
            if any(form in lower for form in _forms(canary)):
                if tenant_id == owner:
                    self.own.add(tenant_id)
                else:
                    self.found.append(f"the word of {tenant_id} is in {where}, sent to {owner or 'all'}")

    def look_at_answer(self, owner: str, answer: Answer) -> None:
        self.look(owner, "an HTTP answer", answer.headers + b"\r\n" + answer.body)

    def look_at_names(self, folder: Path) -> None:
        """The names of all files under a folder."""
        for path in sorted(folder.rglob("*")):
            self.look(None, "the name of a file", str(path.relative_to(folder)).encode())

    def look_at_files(self, folder: Path) -> None:
        """The bytes of all files under a folder, which nobody's word may be in."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.look(None, f"the file {path.name}", path.read_bytes())


def _forms(canary: str) -> Iterator[bytes]:
    """As text, in two encodings, and in base64, which is lower case here like what it is compared with."""
    plain = canary.encode()
    yield plain
    yield canary.encode("utf-16-le")
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + plain)
        yield coded[4:-4].lower()
