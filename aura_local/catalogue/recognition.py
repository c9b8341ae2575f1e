"""What a file or folder that somebody brings is, told by its content and never by its name. Layer 2.

Everything that an engine would parse is walked through first: what is damaged, incomplete or needs another
file is refused before native code sees it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aura_local.catalogue.ctranslate2_check import WHISPER, kind_of_model, looks_like_ctranslate2
from aura_local.catalogue.gguf_check import refuse_unsuitable
from aura_local.catalogue.manifest import Job
from aura_local.catalogue.onnx_check import looks_like_onnx, refuse_unsafe_onnx
from aura_local.errors import InvalidRequest, ModelDamaged, UnsupportedMedia

TABLE_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""Of a tokenizer, a vocabulary or a configuration."""
MULTILINGUAL_WORDS: Final = 51_865
"""Vocabularies of Whisper from this size on know many languages; those of `.en` have one word less."""

_HEAD_BYTES: Final = 128
_KINDS: Final = "a GGUF, a Piper voice (.onnx with its .onnx.json) or a folder with Whisper for CTranslate2"


@dataclass(frozen=True, slots=True)
class Recognised:
    """One model. `files` maps names in the model's folder to where they are; `title` suggests a name."""

    title: str
    job: Job
    engine: str
    description: str
    files: Mapping[str, Path]
    memory_bytes: int
    languages: tuple[str, ...] = ("any",)
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the catalogue entry."""


def recognise(path: Path) -> Recognised:
    """What `path` is: a file, or a folder with one model directly in it (a USB stick, say). Blocks.

    Raises `InvalidRequest` for a path that does not exist or a folder with several models, `UnsupportedMedia`
    for what is none of ours, and `ModelDamaged` for one that is not whole.
    """
    if path.is_dir():
        found = [file for file in sorted(path.iterdir()) if file.is_file() and _begins_a_model(_head(file))]
        if not found:
            raise UnsupportedMedia(f"{path} holds no model: neither {_KINDS}.")
        if len(found) > 1:
            names = ", ".join(file.name for file in found[:10])
            raise InvalidRequest(f"{path} holds several models: name one of {names}.")
        return recognise(found[0])
    if not path.is_file():
        raise InvalidRequest(f"{path} does not exist, or is no file and no folder.")
    head = _head(path)
    if head.startswith(b"GGUF"):
        return _language_model(path)
    if looks_like_ctranslate2(head):
        return _whisper(path)
    if looks_like_onnx(head):
        return _voice(path)
    raise UnsupportedMedia(f"{path.name} is no model that is read here: neither {_KINDS}.")


def _begins_a_model(head: bytes) -> bool:
    return head.startswith(b"GGUF") or looks_like_ctranslate2(head) or looks_like_onnx(head)


def _language_model(path: Path) -> Recognised:
    facts = refuse_unsuitable(path)
    more = {"parameters": facts.parameters, "context_tokens": facts.context_tokens or None}
    return Recognised(
        title=path.stem,
        job="language_model",
        engine="llama",
        description=f"A language model that was brought here; architecture {facts.architecture}",
        files={"model.gguf": path},
        memory_bytes=path.stat().st_size + 200_000_000,
        more={name: value for name, value in more.items() if value is not None},
    )


def _voice(path: Path) -> Recognised:
    refuse_unsafe_onnx(path)
    # The only file beside it that describes a voice; a folder of one voice may have given it any name.
    described = [file for file in _beside(path) if file != path and _is_voice_description(_json(file))]
    named = [file for file in described if file.name == f"{path.name}.json"]
    if len(described) != 1 and not named:
        raise UnsupportedMedia(
            f"{path.name} is an ONNX model, but no Piper voice: {path.name}.json is missing."
        )
    description = (named or described)[0]
    language = _json(description).get("language")
    family = language.get("family") if isinstance(language, dict) else None
    known = isinstance(family, str) and family.isalpha() and family.islower() and len(family) in (2, 3)
    return Recognised(
        title=path.stem,
        job="text_to_speech",
        engine="piper",
        description="A Piper voice that was brought here",
        files={"voice.onnx": path, "voice.onnx.json": description},
        memory_bytes=path.stat().st_size + 110_000_000,
        languages=(str(family),) if known else ("any",),
    )


def _whisper(path: Path) -> Recognised:
    kind = kind_of_model(path)
    if kind != WHISPER:
        raise UnsupportedMedia(f"{path.name} is a CTranslate2 model, but no Whisper: {kind[:40]}.")
    folder = path.parent
    words = next((n for n in ("vocabulary.json", "vocabulary.txt") if (folder / n).is_file()), None)
    missing = [name for name in ("config.json", "tokenizer.json") if not (folder / name).is_file()]
    if words is None:
        missing.append("vocabulary.json")
    if missing or words is None:
        raise ModelDamaged(
            f"The Whisper model in {folder} lacks {', '.join(missing)}: bring the whole folder."
        )
    files = {"model.bin": path, words: folder / words}
    for name in ("config.json", "tokenizer.json", "preprocessor_config.json"):
        if (folder / name).is_file():
            if not _json(folder / name):
                raise ModelDamaged(
                    f"{name} of the Whisper model in {folder} is damaged: it is no JSON object."
                )
            files[name] = folder / name
    return Recognised(
        title=folder.name,
        job="speech_to_text",
        engine="whisper",
        description="A Whisper model for CTranslate2 that was brought here",
        files=files,
        memory_bytes=path.stat().st_size + 150_000_000,
        languages=("any",) if _words(files[words]) >= MULTILINGUAL_WORDS else ("en",),
        more={"writes_punctuation": True},
    )


def _words(vocabulary: Path) -> int:
    text = _text(vocabulary)
    if vocabulary.suffix == ".txt":
        return len(text.splitlines())
    try:
        return len(json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelDamaged(f"{vocabulary.name} is damaged: it is no JSON.") from error


def _is_voice_description(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("phoneme_id_map"), dict) and isinstance(value.get("audio"), dict)


def _beside(path: Path) -> Iterator[Path]:
    for file in sorted(path.parent.iterdir()):
        if file.is_file() and _head(file).lstrip()[:1] == b"{":
            yield file


def _json(path: Path) -> dict[str, Any]:
    """The object in a file; empty for anything else."""
    try:
        value = json.loads(_text(path))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > TABLE_LIMIT_BYTES:
            raise ModelDamaged(f"{path.name} is larger than any table of a model should be.")
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ModelDamaged(f"{path.name} cannot be read: {error.strerror}.") from error


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise ModelDamaged(f"{path.name} cannot be read: {error.strerror}.") from error
