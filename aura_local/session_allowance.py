"""A conversation's share of its tenant's quota, entered in the tenant's ledger. Layer 4."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aura_local.metering.ledger import usage_rows

if TYPE_CHECKING:
    from aura_local.accounts.principal import Principal
    from aura_local.conversation.allowance import LedgerWrite
    from aura_local.metering.ledger import UsageKind
    from aura_local.metering.quotas import Quotas
    from aura_local.storage.leases import TenantHandle

SPOKEN_ANSWER: Final[Mapping[UsageKind, int]] = {
    "speech_to_text_ms": 1_000,
    "text_to_speech_ms": 1_000,
    "prompt_tokens": 1,
    "generated_tokens": 1,
}
"""Set aside before an answer, so that none begins on an allowance that is used up. What it really used is
entered afterwards and may pass the limit by this one answer: its length is not known before."""

TYPED_ANSWER: Final[Mapping[UsageKind, int]] = {"prompt_tokens": 1, "generated_tokens": 1}

WORK: Final[Mapping[str, UsageKind]] = {
    "heard_ms": "speech_to_text_ms",
    "spoken_ms": "text_to_speech_ms",
    "prompt_tokens_evaluated": "prompt_tokens",
    "generated_tokens": "generated_tokens",
}
"""What is entered of `TurnMetrics.work`, and as what. Reused prompt tokens cost nothing."""


class SessionAllowance:
    """See `aura_local.conversation.allowance.Allowance`."""

    def __init__(
        self,
        quotas: Quotas,
        handle: TenantHandle,
        asker: Principal,
        tier: str | None,
        reserved: Mapping[UsageKind, int],
    ) -> None:
        self._quotas = quotas
        self._handle = handle
        self._asker = asker
        self._tier = tier
        self._reserved = reserved

    @asynccontextmanager
    async def reserve(self) -> AsyncIterator[None]:
        """Raises `QuotaExceeded` on entry."""
        with await self._quotas.reserve(self._handle.database, self._handle.id, self._tier, self._reserved):
            yield

    def spent(self, answer_id: str, work: Mapping[str, int]) -> LedgerWrite:
        """Enter the work of one answer."""
        amounts = {kind: work.get(name, 0) for name, kind in WORK.items()}
        return usage_rows(self._asker.subject, answer_id, amounts, datetime.now(UTC))
