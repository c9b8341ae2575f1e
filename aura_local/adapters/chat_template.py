"""How a conversation becomes token ids: our own ChatML pieces, never the file's Jinja. Layer 3.

A GGUF carries a Jinja template that high-level bindings execute (CVE-2024-34359: code in a model file);
it is read here only as a text that names the family. Markers are tokenised once, as special tokens; what
people and documents say is tokenised with special tokens off, so `<|im_end|>` in a document is just
eleven characters. Past answers keep the ids they were generated with: re-tokenised text may differ from
them and would void the prompt cache from there on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from aura_local.errors import EngineUnavailable
from aura_local.ports import Conversation, Message

_CHATML_MARKER: Final = "<|im_start|>"
_EMPTY_THOUGHT: Final = "<think>\n\n</think>\n\n"
"""What Qwen3's own template writes to turn thinking off; models whose template knows `<think>` get it."""


class Tokenizer(Protocol):
    """The vocabulary of a model."""

    @property
    def beginning(self) -> tuple[int, ...]:
        """Ids that every prompt of this model starts with; often none."""
        ...

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Ids of `text`; markers such as `<|im_end|>` become special tokens only if `special`."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids of a conversation up to the point where the answer begins."""

    tokens: list[int]
    system_tokens: int
    """How many of the first ids hold the system message and nothing else; 0 without one."""


class ChatTemplate:
    """ChatML, as SmolLM2 and the Qwen family were trained on it."""

    def __init__(self, tokenizer: Tokenizer, *, thinks: bool = False) -> None:
        """`thinks` opens every answer with an empty thought, for models that would think aloud."""
        self._tokenizer = tokenizer
        roles: tuple[Literal["system", "user", "assistant"], ...] = ("system", "user", "assistant")
        self._openings = {
            role: tokenizer.tokenize(
                f"<|im_start|>{role}\n" + (_EMPTY_THOUGHT if thinks and role == "assistant" else ""),
                special=True,
            )
            for role in roles
        }
        self._closing = tokenizer.tokenize("<|im_end|>\n", special=True)

    def render(
        self,
        conversation: Conversation,
        *,
        finished: bool = True,
        answers: Mapping[str, Sequence[int]] | None = None,
    ) -> Prompt:
        """Ids of the whole conversation, the answer's opening last.

        With `finished` False the newest message may still grow: its end and the answer's opening are
        left out. `answers` maps the text of earlier answers (stripped) to the ids they were made of.
        """
        tokens = list(self._tokenizer.beginning)
        system_tokens = 0
        for place, message in enumerate(conversation.messages):
            tokens += self._openings[message.role]
            tokens += self._content(message, answers or {})
            if not finished and place == len(conversation.messages) - 1:
                return Prompt(tokens, system_tokens)
            tokens += self._closing
            if place == 0 and message.role == "system":
                system_tokens = len(tokens)
        return Prompt(tokens + self._openings["assistant"], system_tokens)

    def _content(self, message: Message, answers: Mapping[str, Sequence[int]]) -> Sequence[int]:
        if message.role == "assistant":
            generated = answers.get(message.text.strip())
            if generated is not None:
                return generated
        return self._tokenizer.tokenize(message.text, special=False)


def recognise_template(metadata: Mapping[str, str], tokenizer: Tokenizer, *, model: str) -> ChatTemplate:
    """The template of a model, by the GGUF keys `tokenizer.chat_template` and `general.architecture`.

    Raises `EngineUnavailable` for a family whose markers are not known here.
    """
    text = metadata.get("tokenizer.chat_template", "")
    if _CHATML_MARKER not in text:
        architecture = metadata.get("general.architecture", "unknown")
        raise EngineUnavailable(
            f"The language model {model} (architecture {architecture}) does not speak ChatML; "
            "choose an instruction-tuned model of the SmolLM2 or Qwen family."
        )
    if len(tokenizer.tokenize(_CHATML_MARKER, special=True)) != 1:
        raise EngineUnavailable(f"The vocabulary of {model} lacks the ChatML markers its template uses.")
    return ChatTemplate(tokenizer, thinks="<think>" in text)
