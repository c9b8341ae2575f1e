"""Folders with a model for CTranslate2: Whisper, or an embedder. Layer 2.

CTranslate2 looks rows of weights up by the ids that tokenizer and configuration give it, and does not ask
whether there are so many: what does not fit is refused here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from aura_local.catalogue.ctranslate2_check import ENCODER, WHISPER, Ctranslate2Model, read_model
from aura_local.catalogue.model_tables import all_whole, json_object, largest_token, words_of
from aura_local.catalogue.recognised import Recognised
from aura_local.errors import ModelDamaged, UnsupportedMedia

MULTILINGUAL_WORDS: Final = 51_865
"""Vocabularies of Whisper from this size on know many languages; those of `.en` have one word less."""
EMBEDDING_FILE: Final = "embedding.json"
"""How an embedder's vectors are made: `pooling` (`mean` or `cls`), `window_tokens`, `dimensions`."""
POOLINGS: Final = ("mean", "cls")

_MEL_BANDS: Final = 80
"""What faster-whisper assumes where no `preprocessor_config.json` says otherwise."""
_FRAMES_PER_SECOND: Final = 50
"""After the second convolution of Whisper's encoder."""


def recognise_ctranslate2(path: Path) -> Recognised:
    """The model whose `model.bin` is `path`. Raises `ModelDamaged`, `UnsupportedMedia` for other kinds."""
    model = read_model(path)
    if model.kind == WHISPER:
        return _whisper(path, model)
    if model.kind == ENCODER:
        return _embedder(path, model)
    raise UnsupportedMedia(f"{path.name} is a CTranslate2 model, but no Whisper: {_printable(model.kind)}.")


def _whisper(path: Path, model: Ctranslate2Model) -> Recognised:
    files = _files(path, "Whisper model", "config.json", "tokenizer.json")
    preprocessor = path.with_name("preprocessor_config.json")
    if preprocessor.is_file():
        files[preprocessor.name] = preprocessor
    words = _refuse_foreign_words(files, _rows(model, "decoder/embeddings/weight", path.name))
    _refuse_foreign_ids(files["config.json"], _rows(model, "decoder/embeddings/weight", path.name))
    bands = _mel_bands(model, files.get(preprocessor.name), path.name)
    return Recognised(
        title=path.parent.name,
        job="speech_to_text",
        engine="whisper",
        description="A Whisper model for CTranslate2 that was brought here",
        files=files,
        memory_bytes=path.stat().st_size + 150_000_000,
        languages=("any",) if words >= MULTILINGUAL_WORDS else ("en",),
        more={"writes_punctuation": True},
        shown=_shown(model) | {"words": words, "mel bands": bands},
    )


def _embedder(path: Path, model: Ctranslate2Model) -> Recognised:
    if not path.with_name(EMBEDDING_FILE).is_file():
        raise UnsupportedMedia(
            f"{path.name} is a CTranslate2 model, but no Whisper: {model.kind}. Of an embedder, "
            f"{EMBEDDING_FILE} says how its vectors are made: `aura models convert` writes it."
        )
    files = _files(path, "embedder", "config.json", "tokenizer.json", EMBEDDING_FILE)
    weights = model.shapes.get("encoder/embeddings_0/weight", ())
    places = model.shapes.get("encoder/position_encodings/encodings", ())
    if len(weights) != 2 or len(places) != 2:
        raise ModelDamaged(f"{path.name} is damaged: it lacks the weights of a BERT.")
    json_object(files["config.json"])
    _refuse_foreign_words(files, weights[0])
    made = json_object(files[EMBEDDING_FILE])
    fits = (
        set(made) == {"pooling", "window_tokens", "dimensions"}
        and made["pooling"] in POOLINGS
        and all_whole([made["window_tokens"]], 8, places[0])
        and made["dimensions"] == weights[1]
    )
    if not fits:
        raise ModelDamaged(f"{EMBEDDING_FILE} is damaged: it does not fit the weights.")
    return Recognised(
        title=path.parent.name,
        job="embedder",
        engine="minilm",
        description="An embedder for CTranslate2 that was brought here",
        files=files,
        memory_bytes=path.stat().st_size * 4 + 50_000_000,  # int8 weights are computed with as float32
        more={"context_tokens": made["window_tokens"]},
        shown=_shown(model) | {"dimensions": made["dimensions"], "pooling": made["pooling"]},
    )


def _files(path: Path, kind: str, *needed: str) -> dict[str, Path]:
    """The files by name, the vocabulary under its own. Raises `ModelDamaged` where any is missing."""
    folder = path.parent
    words = next((n for n in ("vocabulary.json", "vocabulary.txt") if (folder / n).is_file()), None)
    missing = [name for name in needed if not (folder / name).is_file()]
    if words is None:
        missing.append("vocabulary.json")
    if missing or words is None:
        raise ModelDamaged(f"The {kind} in {folder} lacks {', '.join(missing)}: bring the whole folder.")
    return {"model.bin": path} | {name: folder / name for name in (words, *needed)}


def _refuse_foreign_words(files: dict[str, Path], rows: int) -> int:
    """How many words there are. Raises where words or tokens have no row of weights."""
    vocabulary = next(file for name, file in files.items() if name.startswith("vocabulary."))
    words = words_of(vocabulary)
    if words > rows:
        raise ModelDamaged(f"{vocabulary.name} has {words} words, but model.bin has weights for {rows}.")
    if largest_token(files["tokenizer.json"]) >= rows:
        raise ModelDamaged(f"tokenizer.json has tokens beyond the {rows} that model.bin has weights for.")
    return words


def _refuse_foreign_ids(config: Path, rows: int) -> None:
    values = json_object(config)
    for name in ("suppress_ids", "suppress_ids_begin", "lang_ids"):
        ids = values.get(name) or []
        if not isinstance(ids, list) or not all_whole(ids, -1, rows - 1):
            raise ModelDamaged(f"config.json is damaged: {name} are not ids of the model's words.")
    heads = values.get("alignment_heads") or []
    paired = isinstance(heads, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all_whole(pair, 0, 255) for pair in heads
    )
    if not paired:
        raise ModelDamaged("config.json is damaged: alignment_heads are no pairs of layer and head.")


def _mel_bands(model: Ctranslate2Model, preprocessor: Path | None, name: str) -> int:
    convolution = model.shapes.get("encoder/conv1/weight", ())
    places = _rows(model, "encoder/position_encodings/encodings", name)
    if len(convolution) != 3:
        raise ModelDamaged(f"{name} is damaged: it lacks the weights of Whisper's encoder.")
    bands = convolution[1]
    said: dict[str, Any] = {} if preprocessor is None else json_object(preprocessor)
    if said.get("feature_size", _MEL_BANDS) != bands:
        raise ModelDamaged(
            f"The model hears {bands} mel bands, but preprocessor_config.json, which must say so, "
            + ("is missing." if preprocessor is None else "says otherwise.")
        )
    fixed = {"sampling_rate": 16_000, "hop_length": 160, "n_fft": 400}
    window_s = said.get("chunk_length", places // _FRAMES_PER_SECOND)
    if any(said.get(key, value) != value for key, value in fixed.items()) or not all_whole(
        [window_s], 1, max(1, places // _FRAMES_PER_SECOND)
    ):
        raise ModelDamaged("preprocessor_config.json is damaged: no Whisper hears sound in that way.")
    return bands


def _rows(model: Ctranslate2Model, variable: str, name: str) -> int:
    shape = model.shapes.get(variable, ())
    if len(shape) != 2:
        raise ModelDamaged(f"{name} is damaged: it lacks the weights {variable}.")
    return shape[0]


def _shown(model: Ctranslate2Model) -> dict[str, Any]:
    return {"parameters": model.parameters, "quantisation": model.quantisation}


def _printable(text: str) -> str:
    return "".join(character for character in text[:40] if character.isprintable())
