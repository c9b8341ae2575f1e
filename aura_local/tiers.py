"""How much the tenants of a tier may use: the shape of `[tiers.NAME]` in aura.toml. Layer 0."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, TypeAlias

from pydantic import Field, StringConstraints

from aura_local.settings_section import Section

TierName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")]
Limit: TypeAlias = Annotated[int | None, Field(ge=0, le=2**63 - 1)]
"""Of 64 bits, like the sums that it is compared with. None: there is no limit."""


class TierSettings(Section):
    """The limits of one tier. One that is not named does not exist. Months are months of UTC."""

    concurrent_voice_sessions: Limit = Field(None, description="Voice conversations at once.")
    speech_to_text_s_per_month: Limit = Field(None, description="Seconds of speech heard.")
    text_to_speech_s_per_month: Limit = Field(None, description="Seconds of speech spoken.")
    language_model_tokens_per_month: Limit = Field(None, description="Tokens read and written.")
    documents: Limit = Field(None, description="Documents kept.")
    document_bytes: Limit = Field(None, description="Bytes of the documents kept.")
    requests_per_minute: Limit = Field(None, description="Requests; after a pause this many at once.")
    cloud_budget_micros_per_month: Limit = Field(
        None,
        description="Millionths of a US dollar spent at providers. Nothing runs at one yet.",
    )


EXAMPLE_TIERS: Final[Mapping[str, TierSettings]] = MappingProxyType(
    {
        "free": TierSettings(
            concurrent_voice_sessions=1,
            speech_to_text_s_per_month=3_600,
            text_to_speech_s_per_month=3_600,
            language_model_tokens_per_month=1_000_000,
            documents=100,
            document_bytes=100 * 1024 * 1024,
            requests_per_minute=60,
            cloud_budget_micros_per_month=0,
        ),
        "pro": TierSettings(
            concurrent_voice_sessions=5,
            speech_to_text_s_per_month=100_000,
            text_to_speech_s_per_month=100_000,
            language_model_tokens_per_month=50_000_000,
            documents=5_000,
            document_bytes=10 * 1024 * 1024 * 1024,
            requests_per_minute=600,
            cloud_budget_micros_per_month=20_000_000,
        ),
        "enterprise": TierSettings(),
    }
)
"""There unless aura.toml has a tier of the same name, which replaces the example as a whole."""
