"""How a voice session behaves; all values, chosen by the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from aura_local.conversation.hearing import WaitRules
from aura_local.conversation.speech_gate import GateSettings
from aura_local.conversation.turn_state import TurnRules
from aura_local.conversation.wake_phrase import WakePhrase


@dataclass(frozen=True, slots=True)
class SessionOptions:
    tenant_id: str
    language: str = "en"
    voice: str | None = None
    partial_transcripts: bool = True
    waits: WaitRules = field(default_factory=WaitRules)
    rules: TurnRules = field(default_factory=TurnRules)
    gate: GateSettings = field(default_factory=GateSettings)
    wake: WakePhrase | None = None
    """Answer only what begins with a phrase, or follows an answer closely; None: answer everything."""
