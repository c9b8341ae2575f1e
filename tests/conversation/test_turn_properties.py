"""No order of events, however odd, may break what the conversation rests on."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from aura_local.conversation.speech_gate import (
    GateSettings,
    SpeechGate,
    SpeechPaused,
    SpeechStarted,
    SpeechSustained,
)
from aura_local.conversation.turn_effects import (
    CancelReply,
    Duck,
    Effect,
    HoldReply,
    OpenTurn,
    ReleaseReply,
    RememberTurn,
    Restore,
    ResumeReply,
    StartReply,
    SuspendReply,
    Transcribe,
)
from aura_local.conversation.turn_events import (
    AnswerDoubted,
    CancelRequested,
    Event,
    InputStalled,
    ReplyAudible,
    ReplyFailed,
    ReplyHeard,
    TextEntered,
    TimePassed,
    Transcribed,
    TranscriptionFailed,
)
from aura_local.conversation.turn_machine import advance
from aura_local.conversation.turn_state import Phase, TurnRules, TurnState
from aura_local.ports import FRAME_SAMPLES

TOUCHES = (HoldReply, ReleaseReply, Duck, Restore, SuspendReply, ResumeReply)
small = st.integers(0, 4)
samples = st.integers(0, 200_000)
texts = st.sampled_from(["", "when do you open"])
waits = st.sampled_from([0, 200, 1200])
rules = st.builds(
    TurnRules,
    speculation=st.booleans(),
    utterance_limit_ms=st.sampled_from([500, 60_000]),
    revision_limit=small,
)
any_event: st.SearchStrategy[Event] = st.one_of(
    st.builds(SpeechStarted, samples),
    st.builds(SpeechSustained, samples),
    st.builds(SpeechPaused, samples, samples),
    st.builds(TimePassed, samples, st.booleans()),
    st.builds(Transcribed, small, small, texts, waits),
    st.builds(TranscriptionFailed, small, small),
    st.builds(AnswerDoubted, small, small),
    st.builds(ReplyAudible, small),
    st.builds(ReplyHeard, small),
    st.builds(ReplyFailed, small),
    st.just(CancelRequested()),
    st.builds(TextEntered, texts),
    st.just(InputStalled()),
)


class Witness:
    """Watches the effects as a session would carry them out."""

    def __init__(self, rules: TurnRules) -> None:
        self.rules = rules
        self.state = TurnState()
        self.alive: int | None = None
        self.over: set[int] = set()
        self.asked: list[Transcribe] = []

    def take(self, event: Event) -> None:
        before = self.state
        self.state, effects = advance(before, event, self.rules)
        assert self.state.turn >= before.turn
        assert self.state.replies >= before.replies
        if self.state.turn == before.turn:
            assert self.state.revision >= before.revision
        for effect in effects:
            self._watch(effect)
        assert self.state.reply == self.alive
        if self.state.phase in (Phase.THINKING, Phase.SPEAKING):
            assert self.alive is not None
            assert not self.state.suspended
        if self.state.phase is Phase.LISTENING:
            assert self.alive is None

    def _watch(self, effect: Effect) -> None:
        match effect:
            case StartReply(reply_id=reply_id):
                assert self.alive is None, "two replies alive"
                assert reply_id not in self.over
                assert reply_id == self.state.replies
                self.alive = reply_id
            case CancelReply(reply_id) | RememberTurn(reply_id):
                assert reply_id == self.alive, "ended twice, or never begun"
                self.over.add(reply_id)
                self.alive = None
            case Transcribe():
                assert effect.end_sample >= effect.first_sample or self.rules.utterance_limit_ms
                self.asked.append(effect)
            case OpenTurn(turn=turn):
                assert turn == self.state.turn
            case _ if isinstance(effect, TOUCHES):
                assert effect.reply_id == self.alive, "touched before it was begun"


@settings(max_examples=300, deadline=None)
@given(rules, st.lists(any_event, max_size=40))
def test_any_order_of_events(rules: TurnRules, events: list[Event]) -> None:
    witness = Witness(rules)
    for event in events:
        witness.take(event)
    witness.take(CancelRequested())
    assert witness.alive is None
    assert witness.over == set(range(1, witness.state.replies + 1))
    assert witness.state.phase is Phase.LISTENING


class World(Witness):
    """A gate, a recogniser and a listener around the machine: only what a session can really produce."""

    def __init__(self, rules: TurnRules) -> None:
        super().__init__(rules)
        self.gate = SpeechGate(GateSettings())
        self.sample = 0
        self.suspended = False
        self.held = False

    def _watch(self, effect: Effect) -> None:
        super()._watch(effect)
        match effect:
            case SuspendReply():
                assert not self.suspended
                self.suspended = True
            case ResumeReply():
                assert self.suspended
                self.suspended = False
            case HoldReply() | Duck():
                assert not self.held
                self.held = True
            case ReleaseReply() | Restore():
                assert self.held
                self.held = False
            case CancelReply() | RememberTurn():
                self.suspended = self.held = False
        if isinstance(effect, SuspendReply):
            self.held = False

    def hear(self, probability: float) -> None:
        for event in self.gate.hear(self.sample, probability):
            self.take(event)
        self.sample += FRAME_SAMPLES
        self.take(TimePassed(self.sample, self.gate.quiet))

    def step(self, choice: int, probability: float, text: str) -> None:
        """One thing that can happen now; frames most of the time."""
        match choice:
            case 0 if self.asked:
                asked = self.asked.pop(0)
                self.take(Transcribed(asked.turn, asked.revision, text, 200))
            case 1 if self.asked:
                asked = self.asked.pop(0)
                self.take(TranscriptionFailed(asked.turn, asked.revision))
            case 2 if self.alive is not None and not self.suspended and not self.held:
                self.take(ReplyAudible(self.alive))
            case 3 if self.alive is not None and not self.suspended:
                self.take(ReplyHeard(self.alive))
            case 4 if self.alive is not None:
                self.take(ReplyFailed(self.alive))
            case 5:
                self.take(TextEntered("where is the shop"))
            case 6:
                self.take(InputStalled())
            case _:
                for _ in range(4):
                    self.hear(probability)

    def settle(self) -> None:
        """No more input: everything that was asked for comes back, every reply is heard out."""
        self.take(InputStalled())
        for _ in range(10):
            while self.asked:
                asked = self.asked.pop(0)
                self.take(Transcribed(asked.turn, asked.revision, "yes", 200))
            if self.alive is not None and not self.suspended:
                assert not self.held, "held for ever: nobody will ever hear it"
                self.take(ReplyHeard(self.alive))


@settings(max_examples=300, deadline=None)
@given(
    rules,
    st.lists(st.tuples(st.integers(0, 16), st.sampled_from([0.0, 0.4, 1.0]), texts), min_size=5, max_size=60),
)
def test_what_a_session_can_produce_comes_to_an_end(
    rules: TurnRules, steps: list[tuple[int, float, str]]
) -> None:
    world = World(rules)
    for choice, probability, text in steps:
        world.step(choice, probability, text)
    world.settle()
    assert world.state.phase is Phase.LISTENING, "the session would wait for ever"
    assert world.over == set(range(1, world.state.replies + 1))
