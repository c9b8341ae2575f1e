"""What a voice session is made of and how it behaves; all values, wired by the engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from aura_local.conversation.hearing import WaitRules
from aura_local.conversation.reply import Answering
from aura_local.conversation.speech_gate import GateSettings
from aura_local.conversation.turn_state import TurnRules
from aura_local.ports import SpeechToText, TextToSpeech, TurnDetector, VoiceActivityDetector


@dataclass(frozen=True, slots=True)
class SessionEngines:
    """The engines a conversation needs."""

    voice_activity: VoiceActivityDetector
    turn_detector: TurnDetector
    speech_to_text: SpeechToText
    text_to_speech: TextToSpeech
    answering: Answering


@dataclass(frozen=True, slots=True)
class SessionOptions:
    tenant_id: str
    language: str = "en"
    voice: str | None = None
    partial_transcripts: bool = True
    waits: WaitRules = field(default_factory=WaitRules)
    rules: TurnRules = field(default_factory=TurnRules)
    gate: GateSettings = field(default_factory=GateSettings)
