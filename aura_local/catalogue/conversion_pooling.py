"""How a sentence-transformers folder makes its vectors, as far as it can be done here. Layer 2.

A model that is used otherwise than it was trained finds the wrong passages and tells nobody; so whatever is
not understood is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aura_local.catalogue.model_tables import all_whole, json_object, read_text
from aura_local.errors import ModelDamaged, UnsupportedMedia

_MODULES: Final = (("Transformer", "Pooling"), ("Transformer", "Pooling", "Normalize"))
"""Vectors are always made unit vectors here."""
_POOLINGS: Final[Mapping[str, str]] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
}


def embedding_of(folder: Path, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """`pooling`, `window_tokens` and `dimensions`.

    Raises `UnsupportedMedia` for a model that does more than that, `ModelDamaged` for one that contradicts
    itself.
    """
    if not (folder / "modules.json").is_file():
        raise UnsupportedMedia(
            f"{folder} holds a BERT without modules.json of sentence-transformers, which says how its "
            "vectors are made."
        )
    _refuse_other_modules(folder)
    _refuse_prefixes(folder)
    pooling = json_object(_pooling_file(folder))
    width = pooling.get("word_embedding_dimension", pooling.get("embedding_dimension"))
    if width not in (None, configuration["hidden_size"]):
        raise ModelDamaged(
            f"1_Pooling/config.json and config.json in {folder} do not agree on the dimensions."
        )
    return {
        "pooling": _mode(pooling, folder),
        "window_tokens": _window(folder, configuration["max_position_embeddings"]),
        "dimensions": configuration["hidden_size"],
    }


def _refuse_other_modules(folder: Path) -> None:
    try:
        modules = json.loads(read_text(folder / "modules.json"))
        kinds = tuple(str(module["type"]).rpartition(".")[2] for module in modules)
        places = [module["path"] for module in modules]
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise ModelDamaged(f"modules.json in {folder} is damaged.") from error
    if kinds not in _MODULES or places[:2] != ["", "1_Pooling"]:
        raise UnsupportedMedia(
            f"The model in {folder} has steps after its pooling, which cannot be done here."
        )


def _refuse_prefixes(folder: Path) -> None:
    path = folder / "config_sentence_transformers.json"
    prompts = json_object(path).get("prompts") if path.is_file() else None
    if isinstance(prompts, dict) and any(prompts.values()):
        raise UnsupportedMedia(
            f"The model in {folder} wants words before each question or passage, which are not added here."
        )


def _pooling_file(folder: Path) -> Path:
    path = folder / "1_Pooling" / "config.json"
    if not path.is_file():
        raise ModelDamaged(f"{folder} lacks 1_Pooling/config.json: bring the whole folder.")
    return path


def _mode(pooling: Mapping[str, Any], folder: Path) -> str:
    """The fields have had two forms: a truth value for each mode, and since version 5 one word."""
    named = pooling.get("pooling_mode")
    modes = [key for key, value in pooling.items() if key.startswith("pooling_mode_") and value is True]
    found = named if isinstance(named, str) else _POOLINGS.get(modes[0]) if len(modes) == 1 else None
    if found not in _POOLINGS.values():
        raise UnsupportedMedia(f"The model in {folder} pools otherwise than by the mean or the first token.")
    return str(found)


def _window(folder: Path, places: int) -> int:
    path = folder / "sentence_bert_config.json"
    said = json_object(path).get("max_seq_length") if path.is_file() else None
    if said is None:
        return places
    if not all_whole([said], 8, places):
        raise ModelDamaged(f"sentence_bert_config.json in {folder} has a window that the model does not.")
    return int(said)
