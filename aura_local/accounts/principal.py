"""Who is asking. Layer 2."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Principal:
    """What a credential leads to. The tenant of a request comes from here and from nowhere else."""

    tenant_id: str
    key_id: str
    label: str = field(repr=False)
    """Chosen by the person who made the key; for display alone."""
