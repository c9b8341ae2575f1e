"""What is known about the architectures of GGUF files: which can take back the end of a prompt. Layer 2.

Rolling back means that llama.cpp removes a suffix of its cache (`llama_memory_seq_rm`). That needs attention
over everything: a sliding window has already thrown the older cells away, a recurrent state holds no cells at
all. Names are llama.cpp's (`llama-arch.cpp`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ROLLS_BACK: Final = frozenset({"llama", "qwen2", "qwen3", "smollm3", "phi3", "granite"})
"""Architectures with attention over everything; of phi3 llama.cpp reads the window's key but uses none."""

_WINDOW_UNUSED: Final = frozenset({"phi3"})

_WINDOWED: Final = frozenset(
    "gemma2 gemma3 gemma3n gemma4 gpt-oss cohere2 llama4 olmo2 exaone4 smallthinker".split()
)
_RECURRENT: Final = frozenset(
    "mamba mamba2 rwkv6 rwkv6qwen2 rwkv7 arwkv7 jamba falcon-h1 plamo2 granitehybrid lfm2 lfm2moe nemotron_h "
    "qwen3next qwen35 qwen35moe kimi-linear".split()
)
_NO_CHAT: Final = frozenset(
    "bert nomic-bert nomic-bert-moe jina-bert-v2 modern-bert neo-bert t5encoder t5 gemma-embedding clip "
    "wavtokenizer-dec".split()
)
_RECURRENT_KEYS: Final = (
    "ssm.",
    "wkv.",
    "kda.",
    "shortconv.",
    "time_mix",
    "time_decay",
    "full_attention_interval",
)
"""What follows `ARCHITECTURE.` in the keys of models with a recurrent state."""


def obstacle(architecture: str, keys: Mapping[str, Any]) -> str | None:
    """Why the prompt cache of such a model cannot be rolled back, for a sentence; None where it can."""
    named = "".join(c for c in architecture[:40] if c.isalnum() or c in "-_.") or "unknown"
    reason = _of_name(architecture, named)
    if reason is not None:
        return reason
    window = keys.get(f"{architecture}.attention.sliding_window")
    if architecture not in _WINDOW_UNUSED and isinstance(window, int) and window > 0:
        return "its attention has a sliding window, so its prompt cache cannot be rolled back"
    own = (key.removeprefix(f"{architecture}.") for key in keys if key.startswith(f"{architecture}."))
    if any(key.startswith(_RECURRENT_KEYS) for key in own):
        return "it has a recurrent state, so its prompt cache cannot be rolled back"
    return None


def _of_name(architecture: str, named: str) -> str | None:
    if architecture in ROLLS_BACK:
        return None
    if architecture in _WINDOWED:
        return (
            f"its architecture {named} has attention with a sliding window, so its prompt cache cannot be "
            "rolled back"
        )
    if architecture in _RECURRENT:
        return f"its architecture {named} has a recurrent state, so its prompt cache cannot be rolled back"
    if architecture in _NO_CHAT:
        return f"its architecture {named} writes no answers"
    return f"its architecture {named} is not one whose prompt cache can be rolled back"


def cache_bytes_per_token(architecture: str, keys: Mapping[str, Any]) -> int | None:
    """Keys and values of one token in float16, over all layers; None where the file does not say enough.

    Layers times heads times (key length + value length) times 2 bytes: 12,288 for Qwen2.5-0.5B.
    """

    def number(name: str) -> int | None:
        value = keys.get(f"{architecture}.{name}")
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None

    layers, heads, width = (number(n) for n in ("block_count", "attention.head_count", "embedding_length"))
    if layers is None or heads is None or width is None:
        return None
    key_length = number("attention.key_length") or width // heads
    value_length = number("attention.value_length") or width // heads
    per_layer = keys.get(f"{architecture}.attention.head_count_kv")
    if isinstance(per_layer, tuple) and all(isinstance(count, int) for count in per_layer):
        cached_heads = sum(per_layer)
    else:
        cached_heads = layers * (number("attention.head_count_kv") or heads)
    return cached_heads * (key_length + value_length) * 2
