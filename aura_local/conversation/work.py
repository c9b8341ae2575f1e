"""The work a turn costs, counted: unlike time it is the same on every machine."""

from __future__ import annotations

from dataclasses import dataclass

from aura_local.ports import GenerationUsage, Transcript


@dataclass(slots=True)
class TurnWork:
    heard_ms: int = 0
    """Length of the speech that was transcribed for the turn."""
    spoken_ms: int = 0
    """Length of the speech that was made for the reply, heard or not."""
    encoder_frames: int = 0
    """Log-mel frames (10 ms) encoded, partial and repeated transcriptions included."""
    speech_tokens: int = 0
    prompt_tokens_evaluated: int = 0
    prompt_tokens_reused: int = 0
    generated_tokens: int = 0
    wasted_tokens: int = 0
    """Tokens generated for replies that nobody heard."""
    speculations: int = 0
    """Replies begun ahead."""

    def count_transcript(self, transcript: Transcript) -> None:
        self.encoder_frames += transcript.encoder_frames
        self.speech_tokens += transcript.decoded_tokens

    def count_usage(self, usage: GenerationUsage) -> None:
        self.prompt_tokens_evaluated += usage.prompt_tokens_evaluated
        self.prompt_tokens_reused += usage.prompt_tokens_reused
        self.generated_tokens += usage.generated_tokens

    def count_waste(self, usage: GenerationUsage) -> None:
        self.wasted_tokens += usage.generated_tokens

    def counts(self) -> dict[str, int]:
        """By the names that `TurnMetrics.work` documents."""
        return {name: getattr(self, name) for name in self.__slots__}
