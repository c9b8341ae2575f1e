"""Whether a GGUF can do the work here: a chat model whose prompt cache can be rolled back. Layer 2.

A spoken question grows while it is heard, and the end of the prompt is taken back each time. Models with a
recurrent state or an active sliding window cannot: llama.cpp would evaluate the whole prompt anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aura_local.catalogue.gguf_architecture import cache_bytes_per_token, obstacle
from aura_local.catalogue.gguf_reader import GgufHead, read_head
from aura_local.errors import ModelDamaged, UnsupportedMedia

PLANNED_CONTEXT_TOKENS: Final = 4096
RUNTIME_BYTES: Final = 200_000_000
"""Of llama.cpp beside weights and cache, as for the catalogue's own entries."""

_FAMILIES: Final = (
    ("phi", ("<|im_sep|>",)),
    ("chatml", ("<|im_start|>",)),
    ("llama3", ("<|start_header_id|>",)),
    ("granite", ("<|start_of_role|>",)),
    ("phi", ("<|assistant|>", "<|end|>")),
    ("gemma", ("<start_of_turn>",)),
    ("mistral", ("[INST]",)),
)
"""Families of chat templates, by markers that all occur; the first that fits. Phi-4's begins like ChatML."""

_TYPES: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 10: "Q2_K", 11: "Q3_K",
    12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL",
    21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 29: "IQ1_M", 30: "BF16",
}  # fmt: skip
"""Names of ggml's types (ggml.h, `ggml_type`)."""

_MOST: Final = {
    "block_count": 512,
    "context_length": 2**31 - 1,
    "embedding_length": 2**20,
    "attention.head_count": 2**12,
    "attention.key_length": 2**16,
    "attention.value_length": 2**16,
}
"""Beyond these llama.cpp stops the whole process (`GGML_ASSERT`), or no model has them. 512 is its
`LLAMA_MAX_LAYERS`."""


@dataclass(frozen=True, slots=True)
class GgufFacts:
    architecture: str
    name: str
    context_tokens: int
    """0 where the file does not say."""
    template: str
    """The family of its chat template: `chatml`, `llama3`, `phi`, ..., `other` or `none`."""
    parameters: int
    quantisation: str
    """The type of most of its weights, e.g. `Q4_K`."""
    cache_bytes_per_token: int | None
    memory_bytes: int
    """Computed: the file, its cache for `PLANNED_CONTEXT_TOKENS` in float16, and `RUNTIME_BYTES`."""
    rolls_back: bool
    reason: str | None
    """Why it cannot be used here; None where it can."""


def inspect(path: Path) -> GgufFacts:
    """What the file's keys say. Raises `ModelDamaged` for what is no whole GGUF."""
    head = read_head(path)
    _refuse_impossible(head, path.name)
    return facts_of(head)


def facts_of(head: GgufHead) -> GgufFacts:
    keys = head.keys
    architecture = _text(keys.get("general.architecture"))
    template = template_family(_text(keys.get("tokenizer.chat_template")))
    context = keys.get(f"{architecture}.context_length")
    stated = keys.get("general.parameter_count")
    hindrance = obstacle(architecture, keys)
    per_token = cache_bytes_per_token(architecture, keys)
    most = max(head.bytes_of_types, key=lambda kind: head.bytes_of_types[kind])
    return GgufFacts(
        architecture=architecture or "unknown",
        name=_text(keys.get("general.name")),
        context_tokens=context if isinstance(context, int) else 0,
        template=template,
        parameters=stated if isinstance(stated, int) and stated > 0 else head.values,
        quantisation=_TYPES.get(most, "other"),
        cache_bytes_per_token=per_token,
        memory_bytes=head.size_bytes + (per_token or 0) * PLANNED_CONTEXT_TOKENS + RUNTIME_BYTES,
        rolls_back=hindrance is None,
        reason=_only_a_part(keys) or hindrance or _unspoken(template),
    )


def template_family(template: str) -> str:
    """Read as a text that names the family, never executed."""
    if not template:
        return "none"
    return next(
        (family for family, markers in _FAMILIES if all(marker in template for marker in markers)), "other"
    )


def refuse_unsuitable(path: Path) -> GgufFacts:
    """The facts of a file that can be used. Raises `ModelDamaged`, and `UnsupportedMedia` with the reason."""
    facts = inspect(path)
    if facts.reason is not None:
        raise UnsupportedMedia(
            f"{path.name} cannot be used: {facts.reason}. `aura models list` shows models that can."
        )
    return facts


def _only_a_part(keys: Any) -> str | None:
    """llama.cpp opens the other parts of a split model by names it makes up from this one's."""
    parts = keys.get("split.count")
    if isinstance(parts, int) and parts > 1:
        return f"it is one of {parts} parts: join them with llama-gguf-split first"
    kind = _text(keys.get("general.type"))
    return "it is an addition to a model, and no model" if kind in ("adapter", "mmproj") else None


def _unspoken(template: str) -> str | None:
    if template == "chatml":
        return None
    family = "missing" if template == "none" else f"not ChatML, the only family spoken here, but {template}"
    return f"its chat template is {family}"


def _refuse_impossible(head: GgufHead, name: str) -> None:
    architecture = _text(head.keys.get("general.architecture"))
    for key, most in _MOST.items():
        value = head.keys.get(f"{architecture}.{key}", 1)
        each = value if isinstance(value, tuple) else (value,)
        if any(not isinstance(one, int) or not 0 < one <= most for one in each):
            raise ModelDamaged(f"{name} is not a whole GGUF file: its {key} is impossible.")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
