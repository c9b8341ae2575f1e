"""Small folders as transformers and sentence-transformers save them, made without either."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

from aura_local.data_files import data_folder

TOKENIZER = (data_folder("models") / "whisper-synthetic-tiny" / "tokenizer.json").read_bytes()
WHISPER_CONFIG: Mapping[str, Any] = {
    "model_type": "whisper",
    "vocab_size": 2389,
    "num_mel_bins": 80,
    "d_model": 32,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 64,
    "max_source_positions": 1500,
    "max_target_positions": 448,
    "auto_map": {"AutoModel": "evil--code.Model"},
}
BERT_CONFIG: Mapping[str, Any] = {
    "model_type": "bert",
    "vocab_size": 2389,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
}
MODULES = [
    {"path": "", "type": "sentence_transformers.models.Transformer"},
    {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]


def safetensors(shape: tuple[int, ...] = (4,), **changed: Any) -> bytes:
    """One tensor of zeros; `changed` are fields of its row in the table."""
    length = math.prod(shape) * 4
    row = {"dtype": "F32", "shape": list(shape), "data_offsets": [0, length]} | changed
    table = json.dumps({"weight": row}).encode()
    return struct.pack("<Q", len(table)) + table + bytes(length)


def whisper_folder(**config: Any) -> dict[str, bytes]:
    return {
        "config.json": json.dumps({**WHISPER_CONFIG, **config}).encode(),
        "tokenizer.json": TOKENIZER,
        "model.safetensors": safetensors(),
    }


def bert_folder(pooling: Mapping[str, Any], **config: Any) -> dict[str, bytes]:
    return {
        "config.json": json.dumps({**BERT_CONFIG, **config}).encode(),
        "tokenizer.json": TOKENIZER,
        "model.safetensors": safetensors(),
        "modules.json": json.dumps(MODULES).encode(),
        "1_Pooling/config.json": json.dumps(pooling).encode(),
    }
