"""Lanes: native code off the event loop, one owner thread per engine. Layer 0.

An engine's objects are not thread-safe (llama-cpp-python #471, faster-whisper #28), so each is touched by
one thread only, the lane's. Work waits in a fair queue and every quantum of native work holds cores of
the shared `CoreBudget`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from aura_local.cores import CoreBudget
from aura_local.errors import EngineUnavailable, LaneBusy
from aura_local.fair_queue import FairQueue
from aura_local.ports import Caller, Priority

T = TypeVar("T")

READ_AHEAD_ITEMS = 8
"""Items a generation may be ahead of its reader; bounds memory when a listener is slow."""


class StopToken:
    """Set once to end a generation; checked between tokens, segments and sentences."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()


@dataclass(eq=False, slots=True)
class _Job:
    caller: Caller
    work: Callable[[], None]
    """Runs on the lane's thread and delivers its own result."""
    fail: Callable[[BaseException], None]
    """Delivers an error instead, when the work never begins."""
    abandoned: bool = False


@dataclass(eq=False, slots=True)
class _Generation(Generic[T]):
    """The bridge from the lane's thread to one reader on the event loop."""

    loop: asyncio.AbstractEventLoop
    stop: StopToken = field(default_factory=StopToken)
    room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(READ_AHEAD_ITEMS))
    items: asyncio.Queue[tuple[bool, Any]] = field(default_factory=asyncio.Queue)

    def send(self, done: bool, value: Any) -> None:
        """Called on the lane's thread."""
        _call_loop(self.loop, self.items.put_nowait, (done, value))

    def cancel(self) -> None:
        """Called on the event loop: the producer sees the token even while it waits for room."""
        self.stop.stop()
        self.room.release()

    async def read(self) -> AsyncIterator[T]:
        while True:
            done, value = await self.items.get()
            if done:
                if value is not None:
                    raise value
                return
            self.room.release()
            yield value


class Lane:
    """One owner thread with a bounded, fair waiting queue."""

    def __init__(self, name: str, budget: CoreBudget, *, waiting_limit: int = 64) -> None:
        """`name` is the job in words (`speech to text`); the thread starts with the first work."""
        self.name = name
        self._budget = budget
        self._waiting: FairQueue[_Job] = FairQueue(name, waiting_limit)
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        budget.queues[name] = lambda: self.waiting

    @property
    def waiting(self) -> int:
        """Jobs in the queue, the running one not counted."""
        return len(self._waiting)

    async def run(self, work: Callable[[], T], *, caller: Caller) -> T:
        """Run `work` on the lane's thread while holding one core.

        Cancelling takes waiting work out of the queue; work that has begun runs to its end and its
        result is dropped. Raises `LaneBusy` (the queue is full, or the work has waited too long in it),
        `EngineUnavailable` (the lane is closed), and what `work` raises.
        """
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()

        def execute() -> None:
            try:
                with self._budget.hold(caller.priority):
                    value = work()
            except BaseException as error:  # noqa: BLE001 - handed to the waiting coroutine
                _call_loop(loop, _fail, result, error)
            else:
                _call_loop(loop, _succeed, result, value)

        job = _Job(caller, execute, lambda error: _call_loop(loop, _fail, result, error))
        self._submit(job)
        with self._waiting_bounded(job):
            try:
                return await result
            finally:
                self._abandon(job)

    def stream(
        self, produce: Callable[[StopToken], Iterator[T]], *, caller: Caller
    ) -> AbstractAsyncContextManager[AsyncIterator[T]]:
        """Iterate `produce(stop)` on the lane's thread and hand its items to the event loop.

        A core is held while the producer computes, not while it waits for its reader. Leaving the block
        sets the stop token: the producer ends at its next item.
        """
        return self._stream(produce, caller)

    @asynccontextmanager
    async def _stream(
        self, produce: Callable[[StopToken], Iterator[T]], caller: Caller
    ) -> AsyncIterator[AsyncIterator[T]]:
        generation: _Generation[T] = _Generation(asyncio.get_running_loop())

        def execute() -> None:
            failure: BaseException | None = None
            try:
                iterator = produce(generation.stop)
                while True:
                    generation.room.acquire()
                    if generation.stop.stopped:
                        break
                    with self._budget.hold(caller.priority):
                        item = next(iterator, _END)
                    if item is _END:
                        break
                    generation.send(False, item)
            except BaseException as error:  # noqa: BLE001 - handed to the reader
                failure = error
            generation.send(True, failure)

        job = _Job(caller, execute, lambda error: generation.send(True, error))
        self._submit(job)
        with self._waiting_bounded(job):
            try:
                yield generation.read()
            finally:
                generation.cancel()
                self._abandon(job)

    async def close(self) -> None:
        """Refuse new work, fail what waits, and wait for the running job. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _submit(self, job: _Job) -> None:
        with self._changed:
            if self._closed:
                raise self._closed_error()
            self._waiting.push(job.caller, job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=f"lane {self.name}", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    @contextmanager
    def _waiting_bounded(self, job: _Job) -> Iterator[None]:
        """Fail the job when it has not begun in time. Work in the background has nobody who waits for it."""
        if job.caller.priority is Priority.BACKGROUND:
            yield
            return
        timer = asyncio.get_running_loop().call_later(self._budget.queue_wait_s, self._expire, job)
        try:
            yield
        finally:
            timer.cancel()

    def _expire(self, job: _Job) -> None:
        with self._changed:
            waited = self._waiting.remove(job.caller, job)
        if waited:
            waited_s = self._budget.queue_wait_s
            job.fail(LaneBusy(f"The {self.name} engine was busy for {waited_s:g} s; try again in a moment."))

    def _abandon(self, job: _Job) -> None:
        with self._changed:
            job.abandoned = True
            self._waiting.remove(job.caller, job)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or len(self._waiting) > 0)
                job = self._waiting.pop()
                closed = self._closed
            if job is None:
                return
            if closed:
                job.fail(self._closed_error())
            elif not job.abandoned:
                job.work()

    def _closed_error(self) -> EngineUnavailable:
        return EngineUnavailable(f"The {self.name} engine is closed.", retryable=True)


_END: Any = object()


def _call_loop(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *values: object) -> None:
    """Schedule on the loop; a loop that has been closed has nobody waiting for the value."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *values)


def _succeed(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        # A future refuses StopIteration, and whoever waits for it would wait for ever.
        future.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)
