"""Whether a GGUF can do the work here: a chat model whose prompt cache can be rolled back. Layer 2.

A spoken question grows while it is heard, and the end of the prompt is taken back each time. Models with a
recurrent state or an active sliding window cannot: llama.cpp would evaluate the whole prompt anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aura_local.catalogue.gguf_reader import GgufHead, read_head
from aura_local.errors import UnsupportedMedia

ROLLS_BACK: Final = frozenset({"llama", "qwen2", "qwen3", "smollm3", "phi3", "granite"})
"""Architectures with attention over everything; of phi3 llama.cpp reads the window's key but uses none."""

_WINDOW_UNUSED: Final = frozenset({"phi3"})
_CHATML: Final = "<|im_start|>"


@dataclass(frozen=True, slots=True)
class GgufFacts:
    architecture: str
    name: str
    context_tokens: int
    template: str
    """The family of its chat template: `chatml`, `other` or `none`."""
    parameters: int | None
    rolls_back: bool
    reason: str | None
    """Why it cannot be used here; None where it can."""


def inspect(path: Path) -> GgufFacts:
    """What the file's keys say. Raises `ModelDamaged` for what is no whole GGUF."""
    return facts_of(read_head(path))


def facts_of(head: GgufHead) -> GgufFacts:
    keys = head.keys
    architecture = _text(keys.get("general.architecture"))
    chat = _text(keys.get("tokenizer.chat_template"))
    template = "chatml" if _CHATML in chat else "other" if chat else "none"
    context = keys.get(f"{architecture}.context_length")
    parameters = keys.get("general.parameter_count")
    obstacle = _obstacle(head, architecture)
    reason = obstacle
    if reason is None and template != "chatml":
        reason = "its chat template is not ChatML, the only family spoken here"
    return GgufFacts(
        architecture=architecture or "unknown",
        name=_text(keys.get("general.name")),
        context_tokens=context if isinstance(context, int) else 0,
        template=template,
        parameters=parameters if isinstance(parameters, int) and parameters > 0 else None,
        rolls_back=obstacle is None,
        reason=reason,
    )


def refuse_unsuitable(path: Path) -> GgufFacts:
    """The facts of a file that can be used. Raises `ModelDamaged`, and `UnsupportedMedia` with the reason."""
    facts = inspect(path)
    if facts.reason is not None:
        raise UnsupportedMedia(
            f"{path.name} cannot be used: {facts.reason}. `aura models list` shows models that can."
        )
    return facts


def _obstacle(head: GgufHead, architecture: str) -> str | None:
    if architecture not in ROLLS_BACK:
        named = "".join(c for c in architecture[:40] if c.isalnum() or c in "-_.") or "unknown"
        return f"its architecture {named} is not one whose prompt cache can be rolled back"
    window = head.keys.get(f"{architecture}.attention.sliding_window")
    if architecture not in _WINDOW_UNUSED and isinstance(window, int) and window > 0:
        return "its attention has a sliding window, so its prompt cache cannot be rolled back"
    if any(key.startswith(f"{architecture}.ssm.") for key in head.keys):
        return "it has a recurrent state, so its prompt cache cannot be rolled back"
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
