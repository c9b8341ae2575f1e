"""What the turn machine asks the session to do, in the order it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class OpenTurn:
    turn: int
    sample: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Tell the client that the speaker has paused."""

    turn: int
    sample: int


@dataclass(frozen=True, slots=True)
class Transcribe:
    turn: int
    revision: int
    first_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class PrepareReply:
    """Begin the reply without anyone noticing."""

    turn: int
    revision: int
    text: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Work ahead for this turn is void."""

    turn: int


@dataclass(frozen=True, slots=True)
class CloseTurn:
    """Nothing was said after all."""

    turn: int


@dataclass(frozen=True, slots=True)
class StartReply:
    """The turn is over: the transcript is final and the reply, prepared or not, becomes visible."""

    reply_id: int
    turn: int
    revision: int
    text: str


@dataclass(frozen=True, slots=True)
class HoldReply:
    """Somebody may be speaking: keep the reply inaudible until that is clear."""

    reply_id: int


@dataclass(frozen=True, slots=True)
class ReleaseReply:
    reply_id: int


@dataclass(frozen=True, slots=True)
class Duck:
    """Speak more quietly while it is unclear whether somebody interrupts."""

    reply_id: int


@dataclass(frozen=True, slots=True)
class Restore:
    reply_id: int


@dataclass(frozen=True, slots=True)
class SuspendReply:
    """Silence the reply at once, but keep it."""

    reply_id: int


@dataclass(frozen=True, slots=True)
class ResumeReply:
    """It was no interruption: go on where the reply was cut."""

    reply_id: int


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Silence the reply and end it; what was heard of it is remembered."""

    reply_id: int


@dataclass(frozen=True, slots=True)
class RememberTurn:
    reply_id: int


Effect: TypeAlias = (
    OpenTurn
    | Pause
    | Transcribe
    | PrepareReply
    | Discard
    | CloseTurn
    | StartReply
    | HoldReply
    | ReleaseReply
    | Duck
    | Restore
    | SuspendReply
    | ResumeReply
    | CancelReply
    | RememberTurn
)
