"""One answer on its way from the scheduler's thread to its reader on the event loop. Layer 3."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Final

from aura_local.ports import Caller, Conversation, GenerationUsage

READ_AHEAD_PIECES: Final = 32
"""Pieces an answer may be ahead of its reader: about 8 s of speech; beyond it decoding pauses."""


class Generation:
    """A request and the stream of its answer (`ports.TextStream`)."""

    def __init__(
        self,
        conversation: Conversation,
        *,
        answer_tokens: int,
        finished: bool,
        caller: Caller,
        wake: Callable[[], None],
    ) -> None:
        """`finished` False evaluates a prompt whose newest message may still grow, and answers nothing.

        `wake` is called when a reader makes room again.
        """
        self.conversation = conversation
        self.answer_tokens = answer_tokens
        self.finished = finished
        self.caller = caller
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[str | BaseException | None] = asyncio.Queue()
        self._unread = 0
        self._lock = threading.Lock()
        self._stopped = False
        self._begun = False
        self._ended = False
        self._usage = GenerationUsage()

    @property
    def usage(self) -> GenerationUsage:
        return self._usage

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        if self._ended:
            raise StopAsyncIteration
        item = await self._items.get()
        if isinstance(item, str):
            with self._lock:
                self._unread -= 1
                had_room = self._unread < READ_AHEAD_PIECES - 1
            if not had_room:
                self._wake()
            return item
        self._ended = True
        if item is None:
            raise StopAsyncIteration
        raise item

    def stop(self) -> None:
        """The reader has left: nothing more is delivered or counted."""
        with self._lock:
            self._stopped = True

    def give_up(self) -> bool:
        """Stop, unless the work has begun: whether it was given up."""
        with self._lock:
            given_up = not (self._begun or self._stopped)
            self._stopped = self._stopped or given_up
            return given_up

    # The scheduler's thread calls what follows.

    def begin(self) -> None:
        """Its turn has come; from now on it is not given up."""
        with self._lock:
            self._begun = True

    @property
    def stopped(self) -> bool:
        return self._stopped

    @property
    def has_room(self) -> bool:
        return self._unread < READ_AHEAD_PIECES

    def count(self, *, evaluated: int = 0, reused: int = 0, generated: int = 0) -> None:
        with self._lock:
            if not self._stopped:
                self._usage += GenerationUsage(evaluated, reused, generated)

    def send(self, piece: str) -> None:
        with self._lock:
            self._unread += 1
        self._deliver(piece)

    def end(self, error: BaseException | None = None) -> None:
        self._deliver(error)

    def _deliver(self, item: str | BaseException | None) -> None:
        # A loop that is closed has nobody waiting for the item.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._items.put_nowait, item)
