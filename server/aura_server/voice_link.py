"""The outgoing side of one voice session: numbered messages that outlive a connection. Layer 5."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

import anyio

from aura_local.errors import DeadlineExceeded, ProtocolViolation
from aura_server.paced_audio import PacedSink
from aura_server.voice_encoding import Message, to_json
from aura_server.wakeup import Wakeup

KEPT_MESSAGES: Final = 4096
"""Messages kept for a connection that resumes; a spoken answer has about a hundred."""


READY_SEQUENCE: Final = 1
"""Number of the first `ready`."""


class Outlet(Protocol):
    """The sending half of a socket."""

    async def send_text(self, data: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Close:
    """How a connection is to be closed once everything is sent."""

    code: int
    reason: str = ""


@dataclass(eq=False, slots=True)
class Attachment:
    """One connection of the session."""

    next_sequence: int
    greeting: Message | None = None
    """`ready`, which goes first. Its `sequence` is the one before `next_sequence`; it is never sent again."""
    close: Close | None = None
    resumed: bool = False


class VoiceLink:
    """Holds what the client may still need, and gives it to the one connection that is attached.

    `publish` never waits: a client that stops reading holds up nothing but its own connection, which is
    dropped after the send deadline and may be resumed.
    """

    def __init__(
        self,
        sink: PacedSink,
        wakeup: Wakeup,
        *,
        send_deadline_s: float,
        kept_messages: int = KEPT_MESSAGES,
    ) -> None:
        self._sink = sink
        self._wakeup = wakeup
        self._send_deadline_s = send_deadline_s
        self._messages: deque[str] = deque(maxlen=kept_messages)
        self._newest = READY_SEQUENCE
        self._current: Attachment | None = None
        self._finished: Close | None = None
        self.delivered = False
        """The session is over and a connection has had everything."""

    @property
    def attached(self) -> bool:
        return self._current is not None

    def publish(self, message: Message) -> None:
        """Number a message and send it, now or to the next connection."""
        self._newest += 1
        kind = message["type"]
        body = {name: value for name, value in message.items() if name != "type"}
        self._messages.append(to_json({"type": kind, "sequence": self._newest, **body}))
        self._wakeup.call()

    def attach(self, last_sequence: int | None = None) -> Attachment:
        """A new connection whose client has seen everything up to `last_sequence` (None: nothing).

        It replaces another, which is closed.

        `next_sequence` of the result is larger than the one after `last_sequence` where messages in
        between are no longer kept. Raises `ProtocolViolation` for a number that was never given.
        """
        seen = max(last_sequence or 0, READY_SEQUENCE)
        if seen > self._newest:
            raise ProtocolViolation("`last_sequence` is larger than any number given so far.")
        if self._current is not None:
            self._sink.detach()
            self._current.close = Close(4409, "replaced by another connection")
        oldest = self._newest - len(self._messages) + 1
        self._current = Attachment(max(seen + 1, oldest), close=self._finished)
        self._sink.attach()
        self._wakeup.call()
        return self._current

    def detach(self, attachment: Attachment) -> bool:
        """The connection is gone: nothing more is sent on it. False for one that another has replaced."""
        if self._current is not attachment:
            return False
        self._current = None
        self._sink.detach()
        self.end(attachment, Close(1000))
        return True

    def end(self, attachment: Attachment, close: Close) -> None:
        """Close one connection once it has had every message; the session waits to be resumed."""
        if attachment.close is None:
            attachment.close = close
        self._wakeup.call()

    def finish(self, close: Close) -> None:
        """The session is over: connections get what is left and are closed. The first call counts."""
        if self._finished is None:
            self._finished = close
            if self._current is not None and self._current.close is None:
                self._current.close = close
            self._wakeup.call()

    async def serve(self, attachment: Attachment, outlet: Outlet) -> Close:
        """Send until the connection is to be closed; returns how.

        Raises `DeadlineExceeded` when the client does not read, and what the outlet raises when the
        connection is gone.
        """
        while True:
            data = self._next(attachment)
            if data is not None:
                await self._send(outlet, data)
            elif attachment.close is not None:
                if attachment is self._current and self._finished is not None:
                    self.delivered = True
                    self._wakeup.call()
                return attachment.close
            else:
                with anyio.move_on_after(self._sink.due_in_s()):
                    await self._wakeup.wait()

    def _next(self, attachment: Attachment) -> str | bytes | None:
        """Messages overtake audio: `flush` must not wait behind what it silences."""
        if attachment is not self._current:
            return None
        if attachment.greeting is not None:
            greeting, attachment.greeting = attachment.greeting, None
            return to_json(greeting)
        if attachment.next_sequence <= self._newest:
            oldest = self._newest - len(self._messages) + 1
            if attachment.next_sequence < oldest:
                raise DeadlineExceeded("The client reads too slowly to keep up.")
            message = self._messages[attachment.next_sequence - oldest]
            attachment.next_sequence += 1
            return message
        return None if attachment.close is not None else self._sink.next_frame()

    async def _send(self, outlet: Outlet, data: str | bytes) -> None:
        try:
            with anyio.fail_after(self._send_deadline_s):
                if isinstance(data, str):
                    await outlet.send_text(data)
                else:
                    await outlet.send_bytes(data)
        except TimeoutError as error:
            raise DeadlineExceeded("The client has stopped reading.") from error
