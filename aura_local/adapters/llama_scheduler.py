"""One thread that writes all answers: continuous batching over one llama.cpp context. Layer 3.

Each step evaluates one batch (`llama_batch`) under the core budget. Between steps, and only there, the
thread lets go of generations whose reader has left, forgets conversations and admits waiting requests;
so leaving a stream takes effect before its next token, at most one quantum later.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from aura_local.adapters.chat_template import ChatTemplate
from aura_local.adapters.llama_batch import LiveGeneration, Share, Vocabulary, plan_batch
from aura_local.adapters.llama_context import NO_ROOM, BatchToken, EvaluationFailed, told
from aura_local.adapters.llama_generation import Generation
from aura_local.adapters.llama_sequences import SequenceMemory, SequenceTable
from aura_local.cores import CoreBudget
from aura_local.errors import AuraError, EngineUnavailable, LaneBusy, PayloadTooLarge
from aura_local.fair_queue import FairQueue
from aura_local.ports import Priority

NAME = "language model"


class Evaluator(SequenceMemory, Protocol):
    """What the scheduler asks of a context (`LlamaContext`)."""

    capacity_tokens: int

    def evaluate(self, tokens: list[BatchToken], *, threads: int) -> list[int]: ...


class LlamaScheduler:
    """Owns the context: nobody else may touch it until `close` has returned."""

    def __init__(
        self,
        context: Evaluator,
        vocabulary: Vocabulary,
        template: ChatTemplate,
        budget: CoreBudget,
        *,
        sequences: int,
        most_threads: int,
        waiting_limit: int = 64,
    ) -> None:
        """At most `sequences` generations at once, on at most `most_threads` cores."""
        self._context = context
        self._vocabulary = vocabulary
        self._template = template
        self._budget = budget
        self._most_threads = most_threads
        self._table = SequenceTable(context, sequences=sequences, capacity_tokens=context.capacity_tokens)
        self._sequences = sequences
        self._waiting: FairQueue[Generation] = FairQueue(NAME, waiting_limit)
        budget.queues[NAME] = lambda: len(self._waiting)
        self._held: Generation | None = None
        self._forgotten: list[str] = []
        self._live: list[LiveGeneration] = []
        self._arrivals = itertools.count()
        self._admission_due = False
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def submit(self, generation: Generation) -> None:
        """Queue a request. Raises `LaneBusy`, `EngineUnavailable` (closed)."""
        with self._changed:
            if self._closed:
                raise _closed_error()
            self._waiting.push(generation.caller, generation)
            self._admission_due = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=f"lane {NAME}", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    @contextmanager
    def serving(self, generation: Generation) -> Iterator[None]:
        """Submit, and stop when the block is left; give up when its turn does not come in time.

        Work in the background has nobody who waits for it, so it may wait.
        """
        self.submit(generation)
        timer: asyncio.TimerHandle | None = None
        if generation.caller.priority is not Priority.BACKGROUND:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(self._budget.queue_wait_s, self.give_up, generation)
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            self.stop(generation)

    def stop(self, generation: Generation) -> None:
        """The reader has left; takes effect before the generation's next token."""
        generation.stop()
        with self._changed:
            self._waiting.remove(generation.caller, generation)
            self._changed.notify_all()

    def give_up(self, generation: Generation) -> None:
        """End a request with `LaneBusy` that has waited too long; one that has begun goes on."""
        if generation.give_up():
            waited_s = self._budget.queue_wait_s
            self.stop(generation)
            generation.end(LaneBusy(f"The {NAME} was busy for {waited_s:g} s; try again in a moment."))

    def forget(self, conversation_id: str) -> None:
        """Drop a conversation's cache before anything else is admitted."""
        with self._changed:
            self._forgotten.append(conversation_id)
            self._changed.notify_all()

    def wake(self) -> None:
        """A reader has made room."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Fail what runs and waits, and wait for the thread. Blocks for at most one quantum. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    # The scheduler's thread runs what follows.

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._closed:
                    break
            try:
                self._tidy()
                if any(map(self._runnable, self._live)):
                    with self._budget.hold(self._priority(), most=self._most_threads) as threads:
                        self._tidy()  # waiting for a core may have taken long
                        self._step(threads)
            except Exception as error:  # noqa: BLE001 - nobody may wait for ever because of a defect
                failure = told(error)
                for one in list(self._live):
                    self._fail(one, failure)
        self._end_everything()

    def _has_work(self) -> bool:
        return (
            self._closed
            or self._admission_due
            or bool(self._forgotten)
            or any(one.generation.stopped or self._runnable(one) for one in self._live)
        )

    def _priority(self) -> Priority:
        return min(one.generation.caller.priority for one in self._live if self._runnable(one))

    @property
    def _crowded(self) -> bool:
        """Whether requests wait for those that run; a reader that stalls must not hold them up."""
        return self._held is not None or len(self._waiting) > 0

    def _runnable(self, one: LiveGeneration) -> bool:
        return one.runnable(crowded=self._crowded)

    def _tidy(self) -> None:
        """Let go of what nobody reads, forget, admit: everything that changes who is live."""
        for one in [one for one in self._live if one.generation.stopped]:
            self._release(one)
        with self._changed:
            forgotten, self._forgotten = self._forgotten, []
            self._admission_due = False
        for conversation_id in forgotten:
            self._table.forget(conversation_id)
        while len(self._live) < self._sequences:
            generation = self._next_waiting()
            if generation is None:
                return
            try:
                begun = self._begin(generation)
            except Exception as error:  # noqa: BLE001 - as above; this one is not live yet
                generation.end(told(error))
                continue
            if not begun:
                self._held = generation  # the first to be tried when somebody has finished
                return

    def _step(self, threads: int) -> None:
        shares = plan_batch(self._live, crowded=self._crowded)
        if not shares:
            return
        try:
            predictions = self._evaluate(shares, threads)
        except EvaluationFailed as error:
            failure = told(error)
            for share in shares:
                self._fail(share.live, failure)
        else:
            self._deliver(shares, predictions)

    def _evaluate(self, shares: list[Share], threads: int) -> list[int]:
        tokens = [token for share in shares for token in share.batch_tokens()]
        try:
            return self._context.evaluate(tokens, threads=threads)
        except EvaluationFailed as error:
            if error.status != NO_ROOM or not self._table.evict_idle():
                raise
        return self._context.evaluate(tokens, threads=threads)

    def _deliver(self, shares: list[Share], predictions: list[int]) -> None:
        predicted = iter(predictions)
        for share in shares:
            one = share.live
            if one.prompt_left > 0:
                one.generation.count(evaluated=len(share.tokens))
                one.sequence.tokens.extend(share.tokens)
                if one.prompt.system_tokens <= len(one.sequence.tokens):
                    self._table.share_system_message(one.sequence, one.prompt.system_tokens)
            else:
                one.sequence.tokens.extend(share.tokens)
            if share.predicts:
                complete = one.write(next(predicted), self._vocabulary)
            else:
                complete = one.prompt_left == 0
            if complete:
                self._release(one)
                one.generation.end()

    def _next_waiting(self) -> Generation | None:
        held, self._held = self._held, None
        if held is not None and not held.stopped:
            return held
        with self._changed:
            return self._waiting.pop()

    def _begin(self, generation: Generation) -> bool:
        """Give a request its sequence; False when there is no room beside what runs now."""
        owner = (generation.caller.tenant_id, generation.conversation.id)
        prompt = self._template.render(
            generation.conversation,
            finished=generation.finished,
            answers=self._table.answers_of(owner),
        )
        wanted = len(prompt.tokens) + generation.answer_tokens
        if wanted > self._context.capacity_tokens:
            raise PayloadTooLarge(
                f"The conversation takes {len(prompt.tokens)} tokens and its answer up to "
                f"{generation.answer_tokens}; the language model holds {self._context.capacity_tokens}."
            )
        answers = generation.answer_tokens > 0
        sequence = self._table.claim(owner, prompt, reserved_tokens=wanted, keep_last=answers)
        if sequence is None:
            if not answers:
                generation.end()  # preparing is a favour: not worth waiting for
            return not answers
        generation.begin()
        generation.count(reused=len(sequence.tokens))
        one = LiveGeneration(generation, sequence, prompt, next(self._arrivals))
        self._live.append(one)
        if one.prompt_left == 0:
            self._release(one)
            generation.end()
        return True

    def _release(self, one: LiveGeneration) -> None:
        self._live.remove(one)
        if one.written:
            one.sequence.remember_answer(one.text, one.written)
        self._table.release(one.sequence)
        self._admission_due = True

    def _fail(self, one: LiveGeneration, error: AuraError) -> None:
        self._live.remove(one)
        self._table.drop(one.sequence)
        self._admission_due = True
        one.generation.end(error)

    def _end_everything(self) -> None:
        ended = [one.generation for one in self._live]
        self._live.clear()
        with self._changed:
            while (generation := self._next_waiting()) is not None:
                ended.append(generation)
        for generation in ended:
            generation.end(_closed_error())


def _closed_error() -> EngineUnavailable:
    return EngineUnavailable("The language model is closed.", retryable=True)
