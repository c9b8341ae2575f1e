"""Whether speech is meant for AURA, where a wake phrase says so. Pure: time is the number of samples heard.

Each turn is addressed or not. It is when it begins with the phrase, soon after the phrase was said alone,
or while the conversation is open: from the reply to an addressed turn until a little after its end.
Layer 2.
"""

from __future__ import annotations

from typing import Final

from aura_local.conversation.turn_state import TurnState
from aura_local.conversation.wake_phrase import WakePhrase, words_after
from aura_local.ports import SPEECH_RATE_HZ

PHRASE_PAUSE_MS: Final = 1_000
"""So long one may pause within the phrase ("hello ... aura"); the detector hears two utterances then."""


class Attention:
    """Follows one conversation; without a wake phrase everything that is said is meant."""

    def __init__(self, wake: WakePhrase | None) -> None:
        self._wake = wake
        self._addressed = wake is None
        """Of the turn in hand, as far as it is known without its words."""
        self._open_until = 0
        self._listen_until = 0
        self._begun = ""
        """The utterance before, where it was the beginning of the phrase and no more."""
        self._begun_until = 0

    def follow(self, before: TurnState, after: TurnState) -> None:
        """The conversation has gone on by one event."""
        if self._wake is None:
            return
        if after.replies != before.replies:
            self._listen_until = 0  # it was the question that the phrase had announced
        if before.reply is not None or after.reply is not None:
            follow_up = _samples(self._wake.follow_up_ms)
            self._open_until = after.now + follow_up if follow_up else 0
        if after.turn != before.turn:
            self._addressed = after.first_sample < max(self._open_until, self._listen_until)
            if after.first_sample >= self._begun_until:
                self._begun = ""

    def meant(self, text: str) -> str:
        """What of the words of the turn in hand is meant for AURA; "" for nothing."""
        if self._wake is None:
            return text
        rest = self._after_phrase(text, self._wake.phrase)
        if rest is not None:
            return rest
        return text if self._addressed else ""

    def heard(self, text: str, end_sample: int) -> None:
        """`text` is all that was said in the turn in hand, up to `end_sample`."""
        if self._wake is None:
            return
        rest = self._after_phrase(text, self._wake.phrase)
        if rest is None:
            if words_after(self._wake.phrase, text):
                self._begun, self._begun_until = text, end_sample + _samples(PHRASE_PAUSE_MS)
            return
        # The words that go on after a pause belong to it, even if the phrase is then misheard.
        self._addressed = True
        if not rest:
            self._listen_until = end_sample + _samples(self._wake.listen_ms)

    def _after_phrase(self, text: str, phrase: str) -> str | None:
        rest = words_after(text, phrase)
        return words_after(f"{self._begun} {text}", phrase) if rest is None and self._begun else rest


def _samples(duration_ms: int) -> int:
    return duration_ms * SPEECH_RATE_HZ // 1000
