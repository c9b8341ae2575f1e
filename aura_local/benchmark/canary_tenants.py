"""Tenants that look alike to a search engine, and differ in every answer. Layer 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aura_local.benchmark.canary_watch import new_canary
from aura_local.benchmark.http_access import HttpAccess
from aura_local.benchmark.torture_tenants import TenantAccess, make_tenants

HOURS: Final = "six seven eight nine ten eleven twelve one".split()
PEOPLE: Final = "Alder Birch Cedar Dogwood Elder Fir Gorse Hazel".split()
TENANTS: Final = len(HOURS)

SPOKEN: Final = ("When does the garden open?", "Who is the director of the garden?")
TYPED: Final = (
    ("What is the watchword of the garden?",),
    ("When does the garden open?",),
    ("Who is the director of the garden?",),
    # A conversation, with the word in it.
    ("Is {canary} the watchword of the garden?", "When does the garden open?"),
    ("Does {canary} sell bicycles?",),
)
"""`{canary}` stands for the tenant's own word; several questions are one conversation."""


@dataclass(frozen=True, slots=True)
class CanaryTenant:
    access: TenantAccess
    canary: str = field(repr=False)
    place: int

    def questions(self, number: int) -> list[str]:
        """A conversation out of `TYPED`."""
        return [text.format(canary=self.canary) for text in TYPED[number % len(TYPED)]]

    @property
    def documents(self) -> dict[str, bytes]:
        """Content by name."""
        about = (
            "# The garden\n\n"
            f"The garden opens at {HOURS[self.place]} in the morning.\n\n"
            f"## People\n\nThe director of the garden is Doctor {PEOPLE[self.place]}.\n"
        )
        watchword = f"# The watchword\n\nThe watchword of the garden is {self.canary}.\n"
        return {"garden.md": about.encode(), f"watchword {self.canary}.md": watchword.encode()}


async def make_canary_tenants(folder: Path) -> list[CanaryTenant]:
    """In a data folder on which no server runs yet."""
    names = [f"garden {place + 1}" for place in range(TENANTS)]
    made = await make_tenants(folder, names)
    return [CanaryTenant(access, new_canary(), place) for place, access in enumerate(made)]


async def fill(tenant: CanaryTenant, http: HttpAccess) -> Sequence[str]:
    """Upload its documents; returns their ids. Raises `AssertionError` for one that is not taken."""
    ids = []
    for name, content in tenant.documents.items():
        answer = await http.upload(name, content, wait=True)
        assert answer.done, answer.status
        assert answer.json["status"] == "indexed"
        ids.append(str(answer.json["id"]))
    return ids
