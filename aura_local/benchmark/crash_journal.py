"""What clients asked of a server, and what it acknowledged before it was killed. Layer 4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aura_local.benchmark.torture_tenants import KEY_LABEL, TenantAccess

LEDGER_KINDS: Final[Mapping[str, str]] = {
    "prompt_tokens_evaluated": "prompt_tokens",
    "generated_tokens": "generated_tokens",
}
"""What a typed answer says that it took, and the kind under which the ledger has it."""


@dataclass(frozen=True, slots=True)
class ToldTurn:
    """An answered question, as its client was told."""

    answer: str
    ledger: Mapping[str, int]
    """Amounts that are not zero, by kind of the ledger."""


@dataclass(slots=True)
class TenantJournal:
    """Everything is named by something that occurs once, so that a double shows.

    What is `offered` was sent and not answered when the server died: it may be there, once, or not at all.
    """

    tenant: TenantAccess
    offered: set[str] = field(default_factory=set)
    documents: dict[str, bytes] = field(default_factory=dict)
    """Content by name."""
    read: set[str] = field(default_factory=set)
    """Names of documents whose bytes have been compared once."""
    turns: dict[str, ToldTurn] = field(default_factory=dict)
    """By the id of the conversation: each has one turn."""
    asked: int = 0
    """Questions, answered or not: there are no more turns than these."""
    invited: set[str] = field(default_factory=set)
    """E-mail addresses."""
    people: set[str] = field(default_factory=set)
    """E-mail addresses of those who have chosen a password."""
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    """The newest token of each address; without those whose exchange was cut off."""
    keys: dict[str, str] = field(default_factory=dict)
    """Label by id."""
    revoked: set[str] = field(default_factory=set)
    """Ids of keys."""
    maybe_revoked: set[str] = field(default_factory=set)

    @property
    def promises(self) -> int:
        """How many things were acknowledged."""
        kept = (self.documents, self.turns, self.invited, self.people, self.keys, self.revoked)
        return sum(len(part) for part in kept)


def new_journal(tenant: TenantAccess) -> TenantJournal:
    """Of a tenant that has just been made, with nothing but its key."""
    return TenantJournal(tenant, keys={tenant.key_id: KEY_LABEL})


def told_turn(answer: Mapping[str, Any]) -> tuple[str, ToldTurn]:
    """The id of its conversation and the turn, from the body of a typed answer."""
    work = answer["work"]
    ledger = {kind: int(work[name]) for name, kind in LEDGER_KINDS.items() if work.get(name)}
    return str(answer["session_id"]), ToldTurn(str(answer["answer"]), ledger)
