"""Every JSON message of `/ws/voice/continuous`, in both directions. Layer 5.

The models are the protocol: `server/README.md` shows one example of each, and a test validates the
examples against them. Unknown fields are errors in both directions, so that a misspelt field is told and
not ignored. Positions of what the client says are counted at the rate it sends, positions in a reply at
the rate it asked to hear.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from aura_local.errors import PayloadTooLarge, ProtocolViolation

SampleRateHz = Annotated[int, Field(ge=8_000, le=48_000)]
Position = Annotated[int, Field(ge=0, le=2**53)]
"""A count of samples or messages; beyond 2**53 a JSON number is no longer exact in a browser."""
ReplyId = Annotated[int, Field(ge=0, le=2**32 - 1)]


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


# --- from the client -------------------------------------------------------------------------------


class Start(Wire):
    """The first message of every connection."""

    type: Literal["start"]
    key: Annotated[str | None, Field(max_length=512, repr=False)] = None
    """API key, where no `Authorization` header can be set (browsers)."""
    sample_rate_hz: SampleRateHz = 16_000
    output_sample_rate_hz: SampleRateHz = 24_000
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None
    """ISO 639-1; the server's setting when absent."""
    voice: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    output_format: Literal["pcm16"] = "pcm16"
    resume: Annotated[str | None, Field(max_length=128, repr=False)] = None
    """Token from an earlier `ready`: continue that session."""
    from_sample: Position | None = None
    """Position of the first sample that follows; what the server has already is dropped. Resume only."""
    last_sequence: Position | None = None
    """Newest `sequence` the client has seen; later messages are sent again. Resume only."""


class Text(Wire):
    """A typed question; interrupts a running reply."""

    type: Literal["text"]
    text: Annotated[str, Field(pattern=r"\S")]


class Played(Wire):
    """How much of a reply has left the loudspeaker."""

    type: Literal["played"]
    reply_id: ReplyId
    samples: Position


class Cancel(Wire):
    """Stop the running reply."""

    type: Literal["cancel"]


class Stop(Wire):
    """No more audio follows; what was said is answered, then the server closes with 1000."""

    type: Literal["stop"]


ClientMessage = Start | Text | Played | Cancel | Stop
CLIENT_MESSAGES: Final[tuple[type[Wire], ...]] = (Start, Text, Played, Cancel, Stop)


# --- from the server -------------------------------------------------------------------------------


class Ready(Wire):
    """Answers `start`. On a resumed connection `sequence` is the number after which messages follow."""

    type: Literal["ready"]
    sequence: Position
    session_id: str
    resumed: bool
    resume: str
    """Token that continues this session after a dropped connection."""
    resume_s: float
    """How long the session waits for that."""
    sample_rate_hz: SampleRateHz
    output_sample_rate_hz: SampleRateHz
    output_format: Literal["pcm16"]
    language: str
    accepted_samples: Position
    """Samples the server has; send on from here."""


class Numbered(Wire):
    sequence: Annotated[int, Field(ge=1, le=2**53)]


class Accepted(Numbered):
    """Each second: samples received since `start`, at the client's rate."""

    type: Literal["accepted"]
    samples: Position


class SpeechStartedMessage(Numbered):
    type: Literal["speech_started"]
    turn: int
    sample: Position


class SpeechStoppedMessage(Numbered):
    """A pause; the turn is not over before `final_transcript`."""

    type: Literal["speech_stopped"]
    turn: int
    sample: Position


class PartialTranscriptMessage(Numbered):
    """What was heard so far; all but its first `stable_characters` may still change."""

    type: Literal["partial_transcript"]
    turn: int
    text: str
    stable_characters: int


class FinalTranscriptMessage(Numbered):
    """The turn is over and this is what was asked, spoken or typed."""

    type: Literal["final_transcript"]
    turn: int
    text: str


class ReplyStartedMessage(Numbered):
    type: Literal["reply_started"]
    reply_id: ReplyId
    turn: int


class ReplyTextDeltaMessage(Numbered):
    """The next piece of the answer; the pieces, joined, are its text."""

    type: Literal["reply_text_delta"]
    reply_id: ReplyId
    text: str


class CitationMessage(Wire):
    """The place in the documents that the answer rests on."""

    document_id: str
    document: str
    heading: str
    page: int | None
    passage_id: int
    start_character: int
    end_character: int
    quote: str


class CitationsMessage(Numbered):
    type: Literal["citations"]
    reply_id: ReplyId
    citations: tuple[CitationMessage, ...]


class ReplyAudioStartedMessage(Numbered):
    """The first audio of the reply follows."""

    type: Literal["reply_audio_started"]
    reply_id: ReplyId


class Flush(Numbered):
    """Be silent at once: drop everything of this reply that has not left the loudspeaker."""

    type: Literal["flush"]
    reply_id: ReplyId
    heard_samples: Position
    """Position up to which the server takes the reply as heard."""


class ReplyFinishedMessage(Numbered):
    type: Literal["reply_finished"]
    reply_id: ReplyId
    text: str
    heard_text: str
    cancelled: bool


class TurnMetricsMessage(Numbered):
    """Milliseconds per stage, from the last speech sample (or the typed question)."""

    type: Literal["turn_metrics"]
    turn: int
    reply_id: ReplyId
    stages_ms: dict[str, float]
    work: dict[str, int]


class ErrorMessage(Numbered):
    """Something went wrong; where the session cannot go on, the connection is closed next."""

    type: Literal["error"]
    code: str
    message: str
    retryable: bool
    turn: int | None = None
    """The turn that ended without an answer, where it was one."""


SERVER_MESSAGES: Final[tuple[type[Wire], ...]] = (
    Ready,
    Accepted,
    SpeechStartedMessage,
    SpeechStoppedMessage,
    PartialTranscriptMessage,
    FinalTranscriptMessage,
    ReplyStartedMessage,
    ReplyTextDeltaMessage,
    CitationsMessage,
    ReplyAudioStartedMessage,
    Flush,
    ReplyFinishedMessage,
    TurnMetricsMessage,
    ErrorMessage,
)


def message_type(model: type[Wire]) -> str:
    """The value of `type` that names a message."""
    (name,) = model.model_fields["type"].annotation.__args__  # type: ignore[union-attr]
    return str(name)


_CLIENT: Final = {message_type(model): TypeAdapter[Any](model) for model in CLIENT_MESSAGES}


def parse_client_message(text: str, *, question_characters: int) -> ClientMessage:
    """Understand one message of the client.

    Raises `ProtocolViolation` that names what is wrong with it, and `PayloadTooLarge` for a question of
    more than `question_characters`. Neither repeats what the client sent.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolViolation("The message is not JSON.", code="not_json") from error
    if not isinstance(document, dict):
        raise ProtocolViolation("A message is a JSON object with a `type`.", code="not_an_object")
    kind = document.get("type")
    known = ", ".join(_CLIENT)
    if not isinstance(kind, str) or kind not in _CLIENT:
        raise ProtocolViolation(f"The message type is unknown; there are {known}.", code="unknown_type")
    try:
        message: ClientMessage = _CLIENT[kind].validate_python(document)
    except ValidationError as error:
        raise _explain(kind, error) from error
    if isinstance(message, Text) and len(message.text) > question_characters:
        raise PayloadTooLarge(f"A question has at most {question_characters} characters.")
    return message


def _explain(kind: str, error: ValidationError) -> ProtocolViolation:
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if problem["type"] == "extra_forbidden":
        fields = ", ".join(_fields(kind))
        # The unknown name itself is text of the client's, so only the known ones are told.
        return ProtocolViolation(f"`{kind}` has a field it does not take; it takes {fields}.")
    field = ".".join(str(part) for part in problem["loc"])
    return ProtocolViolation(f"`{kind}`: the field `{field}` is wrong: {problem['msg']}.")


def _fields(kind: str) -> list[str]:
    (model,) = (model for model in CLIENT_MESSAGES if message_type(model) == kind)
    return list(model.model_fields)
