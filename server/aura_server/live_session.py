"""One voice session on the server: what lives on when its connection drops. Layer 5.

The connection's task only hands things over; everything that must not be torn apart when it is cancelled
(a push, a question, the reply) runs in the session's own tasks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import anyio

from aura_local.conversation.events import PlaybackFlushed, SessionEvent
from aura_local.errors import AuraError, DeadlineExceeded, ProtocolViolation
from aura_local.ports import Samples
from aura_local.settings import LimitSettings
from aura_server.audio_input import AudioInput
from aura_server.paced_audio import PacedSink
from aura_server.problems import place_of
from aura_server.voice_encoding import encode, encode_error
from aura_server.voice_link import Attachment, Close, VoiceLink
from aura_server.wakeup import Wakeup

NORMAL_CLOSE: Final = 1000
WAITING_AUDIO: Final = 16
"""Audio messages that may wait for the session; then the connection is not read."""
WAITING_COMMANDS: Final = 16
PARTING_S: Final = 2.0
"""Time for a running reply to be cut and remembered as far as it was heard, when its session ends."""


class Conversation(Protocol):
    """What `aura_local.conversation.voice_session.VoiceSession` is to the server."""

    @property
    def session_id(self) -> str: ...

    async def run(self) -> None: ...

    async def push(self, samples: Samples) -> None: ...

    async def ask(self, text: str) -> None: ...

    async def cancel(self) -> None: ...

    async def input_stalled(self) -> None: ...

    async def finish(self) -> None: ...


class LiveSession:
    """A conversation together with its two directions; at most one connection at a time."""

    def __init__(
        self,
        *,
        sample_rate_hz: int,
        output_sample_rate_hz: int,
        language: str,
        limits: LimitSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.language = language
        self.id = ""
        self._limits = limits
        self._clock = clock
        self._wakeup = Wakeup()
        self.input = AudioInput(
            sample_rate_hz,
            catch_up_s=limits.resume_s,
            pace=limits.audio_pace,
            head_start_s=limits.audio_head_start_s,
            clock=clock,
        )
        self.sink = PacedSink(
            output_sample_rate_hz, announce_flush=self._announce_flush, wakeup=self._wakeup, clock=clock
        )
        self.link = VoiceLink(self.sink, self._wakeup, send_deadline_s=limits.send_deadline_s)
        self._audio: deque[Samples] = deque()
        self._commands: deque[Callable[[Conversation], Awaitable[None]]] = deque()
        self._stopped = False
        self._audio_flows = False
        self._heard_at = clock()
        self._running = anyio.CancelScope()
        self._ending = False
        self._nobody_comes = False

    # --- from the connection -----------------------------------------------------------------------

    def attach(self) -> Attachment:
        """The connection that began the session."""
        return self._attach(None)

    def resume(self, last_sequence: int | None, from_sample: int | None) -> Attachment:
        """Another connection takes the session over; the one before is closed.

        Raises `ProtocolViolation` for impossible positions.
        """
        attachment = self._attach(last_sequence)
        attachment.resumed = True
        try:
            self.input.continue_from(from_sample)
        except ProtocolViolation:
            self.link.detach(attachment)
            raise
        return attachment

    async def hear(self, data: bytes) -> None:
        """Take an audio message; waits while the session is behind, and is not taken when cancelled.

        Raises `ProtocolViolation`.
        """
        while len(self._audio) >= WAITING_AUDIO:
            await self._wakeup.wait()
        if self._stopped:
            raise ProtocolViolation("No audio can follow `stop`.", code="audio_after_stop")
        samples = self.input.accept(data)
        self._heard_at = self._clock()
        self._audio_flows = True
        if len(samples):
            self._audio.append(samples)
        self._wakeup.call()

    async def ask(self, text: str) -> None:
        """Hand over a typed question."""
        if self._stopped:
            raise ProtocolViolation("No question can follow `stop`.", code="text_after_stop")
        await self._command(lambda conversation: conversation.ask(text))

    async def cancel(self) -> None:
        """Stop the running reply."""
        await self._command(lambda conversation: conversation.cancel())

    def stop(self) -> None:
        """No more input: what was said is answered, then the session is over. Once more changes nothing."""
        self._stopped = True
        self._audio_flows = False
        self._wakeup.call()

    @property
    def over(self) -> bool:
        """The session is ending, whatever its client may still want."""
        return self._ending

    def fail(self, error: AuraError) -> None:
        """End the session: its connection is told why and closed."""
        self.link.publish(encode_error(error))
        self.link.finish(Close(place_of(error).close_code, error.code))
        self._ending = True
        self._wakeup.call()

    def leave(self, attachment: Attachment) -> None:
        """The client has said goodbye on its connection: the session ends, unless another took it over."""
        if self.link.detach(attachment):
            self._ending = self._nobody_comes = True
            self._wakeup.call()

    def _attach(self, last_sequence: int | None) -> Attachment:
        attachment = self.link.attach(last_sequence)
        self._heard_at = self._clock()
        return attachment

    # --- in the registry's task group --------------------------------------------------------------

    async def notify(self, event: SessionEvent) -> None:
        """Publish an event. `PlaybackFlushed` has gone out already: the sink tells it before it returns."""
        if not isinstance(event, PlaybackFlushed):
            self.link.publish(encode(event, sample_rate_hz=self.input.sample_rate_hz))

    async def run(self, conversation: Conversation) -> None:
        """Hold the conversation until it is over, ended, or without a connection for too long."""
        jobs = (self._feed_audio, self._serve_commands, self._watch_input, self._end_when_unwanted)
        with self._running:
            async with anyio.create_task_group() as tasks:
                for job in jobs:
                    tasks.start_soon(job, conversation)
                await conversation.run()
                tasks.cancel_scope.cancel()
        self.link.finish(Close(NORMAL_CLOSE))

    async def until_delivered(self) -> None:
        """Wait until a connection has had the end of the session, or none came in time to fetch it."""
        with anyio.move_on_after(self._limits.resume_s):
            while not (self.link.delivered or self._nobody_comes):
                await self._wakeup.wait()

    # -----------------------------------------------------------------------------------------------

    def _announce_flush(self, reply_id: int, heard_samples: int) -> None:
        self.link.publish(encode(PlaybackFlushed(reply_id, heard_samples)))

    async def _command(self, command: Callable[[Conversation], Awaitable[None]]) -> None:
        while len(self._commands) >= WAITING_COMMANDS:
            await self._wakeup.wait()
        self._commands.append(command)
        self._wakeup.call()

    async def _feed_audio(self, conversation: Conversation) -> None:
        while True:
            if self._audio:
                samples = self._audio[0]
                await conversation.push(samples)
                self._audio.popleft()
                self._wakeup.call()
            elif self._stopped and not self._commands:
                await conversation.push(self.input.finish())
                await conversation.finish()
                return
            else:
                await self._wakeup.wait()

    async def _serve_commands(self, conversation: Conversation) -> None:
        while True:
            if not self._commands:
                await self._wakeup.wait()
                continue
            try:
                await self._commands[0](conversation)
            except AuraError as error:
                self.link.publish(encode_error(error))
            self._commands.popleft()
            self._wakeup.call()

    async def _watch_input(self, conversation: Conversation) -> None:
        """Tell the conversation when audio stops coming over a connection that is there.

        A dropped connection is no stall: its client sends on where it stopped, and the words before and
        after belong together.
        """
        while True:
            if not (self._audio_flows and self.link.attached):
                await self._wakeup.wait()
                continue
            missing_s = self._clock() - self._heard_at
            if missing_s < self._limits.input_stall_ms / 1000:
                await anyio.sleep(self._limits.input_stall_ms / 1000 - missing_s)
            elif self._audio:
                await self._wakeup.wait()
            else:
                self._audio_flows = False
                await conversation.input_stalled()

    async def _end_when_unwanted(self, conversation: Conversation) -> None:
        """End the session when it failed, its client left or stays away, or it has lasted too long."""
        with anyio.move_on_after(self._limits.session_s) as lifetime:
            await self._until_unwanted()
        if lifetime.cancelled_caught:
            self.fail(DeadlineExceeded("The session has reached its longest duration."))
        with anyio.move_on_after(PARTING_S):
            await conversation.cancel()
        self._running.cancel()

    async def _until_unwanted(self) -> None:
        while not self._ending:
            attached = self.link.attached
            with anyio.move_on_after(None if attached else self._limits.resume_s) as absence:
                while self.link.attached == attached and not self._ending:
                    await self._wakeup.wait()
            if absence.cancelled_caught:
                self._ending = self._nobody_comes = True
