"""What the turn machine knows, and the rules it goes by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aura_local.conversation.turn_events import Transcribed


class Phase(StrEnum):
    LISTENING = "listening"
    HEARING = "hearing"
    PAUSED = "paused"
    THINKING = "thinking"
    SPEAKING = "speaking"


@dataclass(frozen=True, slots=True)
class TurnRules:
    speculation: bool = True
    """Transcribe and answer ahead, inside the silence."""
    first_look_ms: int = 200
    """Without speculation: silence after which the speech is transcribed."""
    doubted_wait_ms: int = 1200
    """Silence that ends a statement on which the documents hold nothing clear: it may be half of one."""
    least_speech_ms: int = 190
    """Less speech than this in a turn is noise: recognisers invent words for it."""
    utterance_limit_ms: int = 60_000
    revision_limit: int = 4
    """Replies begun ahead in one turn; after that only the transcript is made ahead."""


@dataclass(frozen=True, slots=True)
class TurnState:
    phase: Phase = Phase.LISTENING
    now: int = 0
    turn: int = 0
    """The turn in hand, or the last one."""
    revision: int = 0
    """Raised whenever speech continues after a pause."""
    first_sample: int = 0
    """Where the speech of the turn begins."""
    end_sample: int = 0
    """Where the speech of the turn ends, as far as it is known."""
    speech_samples: int = 0
    """Samples of speech in the turn, up to the last pause."""
    transcript: Transcribed | None = None
    """Of this revision; None while a typed question is answered."""
    transcribing: bool = False
    forced: bool = False
    """The turn ends as soon as its transcript is there, without waiting for silence."""
    replies: int = 0
    """Replies started so far; the last one's id."""
    reply: int | None = None
    """The one reply that is alive."""
    suspended: bool = False
    """The reply is silent because somebody may have interrupted it."""
    onset: int | None = None
    """Where speech began that is not sustained yet, during a reply."""
