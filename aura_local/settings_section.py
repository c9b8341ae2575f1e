"""What every section of the settings is: a frozen table that refuses unknown names. Layer 0."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
