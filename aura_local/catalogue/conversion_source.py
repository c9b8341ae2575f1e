"""A transformers folder that can be converted: looked through, and cut down to what is needed. Layer 2.

A configuration can name code to fetch and run (`auto_map`), and weights in a pickle are code. So only
safetensors are taken, and of the JSON files only the fields named here, by kind and range: nothing else of
the folder reaches transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from aura_local.catalogue.conversion_pooling import embedding_of
from aura_local.catalogue.model_tables import all_whole, json_object, largest_token
from aura_local.catalogue.safetensors_check import tensor_shapes
from aura_local.errors import InvalidRequest, ModelDamaged, UnsupportedMedia

WEIGHTS: Final = "model.safetensors"
Kind = Literal["whisper", "bert"]

_SIZES: Final[Mapping[str, tuple[str, ...]]] = {
    "whisper": tuple(
        "vocab_size num_mel_bins d_model encoder_layers encoder_attention_heads encoder_ffn_dim "
        "decoder_layers decoder_attention_heads decoder_ffn_dim max_source_positions "
        "max_target_positions".split()
    ),
    "bert": tuple(
        "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
        "max_position_embeddings type_vocab_size".split()
    ),
}
"""Fields that must be there."""

_OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "whisper": tuple(
        "activation_function scale_embedding pad_token_id bos_token_id eos_token_id decoder_start_token_id "
        "suppress_tokens begin_suppress_tokens tie_word_embeddings is_encoder_decoder".split()
    ),
    "bert": ("hidden_act", "layer_norm_eps", "pad_token_id"),
}
_GENERATION: Final = tuple(
    "alignment_heads lang_to_id task_to_id is_multilingual no_timestamps_token_id suppress_tokens "
    "begin_suppress_tokens pad_token_id bos_token_id eos_token_id decoder_start_token_id max_length".split()
)
_MOST: Final = 2_000_000
"""Of any size; the largest vocabularies have 256,000 words."""


@dataclass(frozen=True, slots=True)
class ConversionSource:
    """What is converted. `configuration` and `generation` are the fields that transformers gets to see."""

    folder: Path
    kind: Kind
    configuration: Mapping[str, Any]
    generation: Mapping[str, Any]
    preprocessor: Mapping[str, Any]
    """Empty but for Whisper."""
    embedding: Mapping[str, Any]
    """Empty but for an embedder: pooling, window and dimensions."""

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"


def read_source(folder: Path) -> ConversionSource:
    """The model in `folder`. Blocks.

    Raises `InvalidRequest` where there is no folder, `UnsupportedMedia` for what is not converted here, and
    `ModelDamaged` for what is not whole.
    """
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is no folder: name the one with config.json and {WEIGHTS}.")
    _refuse_weights_elsewhere(folder)
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            origin = "openai/whisper-*" if name == "tokenizer.json" else "the model's origin"
            raise ModelDamaged(f"{folder} lacks {name}: copy it from {origin}.")
    for name in ("config.json", "generation_config.json", "tokenizer.json", WEIGHTS):
        if (folder / name).is_symlink():
            raise ModelDamaged(
                f"{name} in {folder} is a symbolic link: bring a copy of the folder with the files "
                "themselves (cp -rL)."
            )
    table = json_object(folder / "config.json")
    kind = table.get("model_type")
    if kind not in ("whisper", "bert"):
        raise UnsupportedMedia(
            f"{folder} holds neither a Whisper nor a BERT for transformers, and only these are converted."
        )
    configuration = _configuration(kind, table)
    tensor_shapes(folder / WEIGHTS)
    if largest_token(folder / "tokenizer.json") >= configuration["vocab_size"]:
        raise ModelDamaged("tokenizer.json has more tokens than the model: it belongs to another one.")
    whisper = kind == "whisper"
    return ConversionSource(
        folder=folder,
        kind=kind,
        configuration=configuration,
        generation=_generation(folder) if whisper else {},
        preprocessor=_preprocessor(folder, configuration) if whisper else {},
        embedding={} if whisper else embedding_of(folder, configuration),
    )


def _refuse_weights_elsewhere(folder: Path) -> None:
    if (folder / WEIGHTS).is_file():
        return
    if (folder / f"{WEIGHTS}.index.json").is_file():
        raise UnsupportedMedia(f"{folder} holds its weights in several files, which is not read here.")
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt")):
        raise UnsupportedMedia(
            f"{folder} holds its weights as a Python pickle, which runs code when it is opened: take a "
            f"version with {WEIGHTS}."
        )
    raise UnsupportedMedia(f"{folder} holds no model for transformers: {WEIGHTS} is missing.")


def _configuration(kind: str, table: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {name: table.get(name) for name in _SIZES[kind]}
    wrong = [name for name, value in sizes.items() if not all_whole([value], 1, _MOST)]
    layers = [value for name, value in sizes.items() if "layers" in name or "heads" in name]
    if wrong or not all_whole(layers, 1, 512):
        raise ModelDamaged(f"config.json is damaged: {', '.join(wrong) or 'the layers'} cannot be so.")
    others = {name: table[name] for name in _OTHERS[kind] if name in table and _plain(table[name])}
    fixed = {"position_embedding_type": table.get("position_embedding_type", "absolute")}
    if fixed["position_embedding_type"] != "absolute":
        raise UnsupportedMedia("The model places its words in a way that CTranslate2 does not know.")
    return {"model_type": kind, **sizes, **others, **(fixed if kind == "bert" else {})}


def _generation(folder: Path) -> dict[str, Any]:
    if not (folder / "generation_config.json").is_file():
        return {}
    table = json_object(folder / "generation_config.json")
    return {name: table[name] for name in _GENERATION if name in table and _plain(table[name])}


def _preprocessor(folder: Path, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Written also where the folder has none: without it the engine would assume 80 mel bands."""
    path = folder / "preprocessor_config.json"
    table = json_object(path) if path.is_file() else {}
    bands = configuration["num_mel_bins"]
    if table.get("feature_size", bands) != bands:
        raise ModelDamaged("preprocessor_config.json and config.json do not agree on the mel bands.")
    window_s = table.get("chunk_length", configuration["max_source_positions"] // 50)
    return {
        "feature_size": bands,
        "sampling_rate": 16_000,
        "hop_length": 160,
        "n_fft": 400,
        "chunk_length": window_s,
    }


def _plain(value: Any) -> bool:
    """Numbers, short words, and lists and tables of numbers."""
    if isinstance(value, list):
        return all(_plain(item) and not isinstance(item, str) for item in value)
    if isinstance(value, dict):
        return all(type(item) is int for item in value.values())
    return (
        value is None or isinstance(value, int | float) or (isinstance(value, str) and value.isidentifier())
    )
