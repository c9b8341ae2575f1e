"""Prints a spoken conversation as it happens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aura_local.commands.output import source_line
from aura_local.conversation.events import (
    Citation,
    CitationsFound,
    FinalTranscript,
    ReplyFinished,
    ReplyStarted,
    ReplyTextDelta,
    SessionEvent,
    TurnFailed,
)

if TYPE_CHECKING:
    from aura_local.engine_room import EngineStatus


class TranscriptPrinter:
    """`notify` is what a voice session calls."""

    def __init__(self) -> None:
        self._citations: tuple[Citation, ...] = ()

    def welcome(
        self,
        tenant: str,
        engines: Iterable[EngineStatus],
        *,
        half_duplex: bool,
        push_to_talk: bool,
        wake_phrase: str | None = None,
    ) -> None:
        print(f"You talk with {tenant}. Control-C ends the conversation.")
        for engine in engines:
            if engine.job in ("speech_to_text", "language_model", "text_to_speech"):
                kind = " (synthetic, for demos)" if engine.synthetic else ""
                print(f"  {engine.job.replace('_', ' ')}: {engine.model}{kind}")
        if half_duplex:
            print("  AURA does not listen while it speaks: no echo canceller is installed (pip install")
            print("  'aura-local[desktop]'). With headphones, use --headphones.")
        if wake_phrase is not None:
            print(
                f'Say "{wake_phrase}", then your question. After an answer you can go on without it.',
                flush=True,
            )
        else:
            print("Press Enter to speak." if push_to_talk else "Speak now.", flush=True)

    async def notify(self, event: SessionEvent) -> None:
        match event:
            case FinalTranscript(text=text) if text:
                print(f"\nYou:  {text}", flush=True)
            case ReplyStarted():
                self._citations = ()
                print("AURA: ", end="", flush=True)
            case ReplyTextDelta(text=text):
                print(text, end="", flush=True)
            case CitationsFound(citations=citations):
                self._citations = citations
            case ReplyFinished(cancelled=cancelled):
                print(" [interrupted]" if cancelled else "")
                for citation in self._citations:
                    print(f"      [{source_line(citation)}]", flush=True)
            case TurnFailed(message=message):
                print(f"\nerror: {message}", flush=True)
