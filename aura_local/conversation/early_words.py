"""Words while they are spoken: shown as they come, and worked on ahead."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import anyio

from aura_local.conversation.events import PartialTranscript
from aura_local.conversation.hearing import Hearing, StablePrefix
from aura_local.conversation.live_replies import LiveReplies
from aura_local.conversation.session_jobs import SessionJobs
from aura_local.conversation.spoken_reply import Notify
from aura_local.conversation.turn_state import Phase, TurnState
from aura_local.errors import AuraError
from aura_local.ports import SPEECH_RATE_HZ, Priority, Samples

FIRST_MS = 600
"""Speech after which words are shown while it goes on."""
EVERY_MS = 300
PAUSE_SHARE = 8
"""Between two transcriptions lies at least this many times what the last one took, so that a slow
recogniser spends no more than about a tenth of a core on them."""


class EarlyWords:
    """Transcribes unfinished speech of one session and warms up what may become its answer."""

    def __init__(
        self,
        *,
        hearing: Hearing,
        replies: LiveReplies,
        jobs: SessionJobs,
        notify: Notify,
        state: Callable[[], TurnState],
        speculation: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`state` is the session's state as it stands when it is called."""
        self._hearing = hearing
        self._replies = replies
        self._jobs = jobs
        self._notify = notify
        self._state = state
        self._speculation = speculation
        self._clock = clock
        self._stable = StablePrefix()
        self._running = False
        self._next_at = 0
        self._warming: anyio.CancelScope | None = None

    def begin_turn(self) -> None:
        self._stable = StablePrefix()

    def look(self, end_sample: int) -> None:
        """Another frame, up to `end_sample`, has been heard: transcribe if it is time."""
        state = self._state()
        due = max(self._next_at, state.first_sample + _samples(FIRST_MS))
        if self._running or state.phase is not Phase.HEARING or end_sample < due:
            return
        self._running = True
        clip = self._hearing.clip(state.first_sample, end_sample)
        self._jobs.start(self._show, state.turn, state.revision, clip)

    def stop_warming(self) -> None:
        """The real question is there: nothing must compete with it."""
        if self._warming is not None:
            self._warming.cancel()
            self._warming = None

    async def _show(self, turn: int, revision: int, clip: Samples) -> None:
        began_s = self._clock()
        try:
            transcript = await self._hearing.transcribe_early(clip, self._replies.caller(Priority.CHAT))
            self._replies.works[turn].count_transcript(transcript)
            state = self._state()
            current = (turn, revision) == (state.turn, state.revision)
            if not current or not transcript.text or state.phase not in (Phase.HEARING, Phase.PAUSED):
                return
            stable = self._stable.agree(transcript.text)
            await self._notify(PartialTranscript(turn, transcript.text, len(stable)))
            if self._speculation and self._state().phase is Phase.HEARING:
                self.stop_warming()
                self._jobs.start(self._warm_up, turn, transcript.text)
        except AuraError:
            # Early words are a courtesy; the final transcription reports what is wrong.
            return
        finally:
            took_ms = int((self._clock() - began_s) * 1000)
            self._next_at = self._state().now + _samples(max(EVERY_MS, PAUSE_SHARE * took_ms))
            self._running = False

    async def _warm_up(self, turn: int, text: str) -> None:
        """Look half a question up and evaluate what would be the prompt of its answer.

        Newer words stop it; what is evaluated by then is still there for them.
        """
        with anyio.CancelScope() as self._warming, suppress(AuraError):
            await self._replies.warm_up(turn, text)


def _samples(duration_ms: int) -> int:
    return duration_ms * SPEECH_RATE_HZ // 1000
