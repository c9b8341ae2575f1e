"""What a file or folder that somebody brings is, told by its content and never by its name. Layer 2.

Everything that an engine would parse is walked through first: what is damaged, incomplete or needs another
file is refused before native code sees it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aura_local.catalogue.conversion_source import WEIGHTS
from aura_local.catalogue.ctranslate2_check import looks_like_ctranslate2
from aura_local.catalogue.ctranslate2_folder import recognise_ctranslate2
from aura_local.catalogue.gguf_check import GgufFacts, refuse_unsuitable
from aura_local.catalogue.model_tables import read_head
from aura_local.catalogue.onnx_check import looks_like_onnx
from aura_local.catalogue.recognised import Recognised
from aura_local.catalogue.voice_check import recognise_voice
from aura_local.errors import InvalidRequest, ModelDamaged, UnsupportedMedia

_KINDS: Final = "a GGUF, a Piper voice (.onnx with its .onnx.json) or a folder with Whisper for CTranslate2"


def recognise(path: Path) -> Recognised:
    """What `path` is: a file, or a folder with one model directly in it (a USB stick, say). Blocks.

    Raises `InvalidRequest` for a path that does not exist or a folder with several models, `UnsupportedMedia`
    for what is none of ours, and `ModelDamaged` for one that is not whole. A file that is only a symbolic
    link is refused as well, unless `path` names it: where links lead, another person decides.
    """
    file = model_file(path)
    head = read_head(file)
    if head.startswith(b"GGUF"):
        found = _language_model(file)
    elif looks_like_ctranslate2(head):
        found = recognise_ctranslate2(file)
    elif looks_like_onnx(head):
        found = recognise_voice(file)
    else:
        raise UnsupportedMedia(f"{file.name} is no model that is read here: neither {_KINDS}.")
    for part in found.files.values():
        if part.is_symlink() and part != path:
            raise ModelDamaged(
                f"{part.name} in {part.parent} is a symbolic link: bring a copy of the folder with the files "
                "themselves (cp -rL)."
            )
    return found


def model_file(path: Path) -> Path:
    """The one file in `path`, or `path` itself, that begins a model. Raises like `recognise`."""
    if not path.is_dir():
        if not path.is_file():
            raise InvalidRequest(f"{path} does not exist, or is no file and no folder.")
        return path
    found = [file for file in sorted(path.iterdir()) if file.is_file() and _begins_a_model(read_head(file))]
    if not found and (path / WEIGHTS).is_file():
        raise UnsupportedMedia(f"{path} holds a model for transformers: `aura models convert` takes it.")
    if not found:
        raise UnsupportedMedia(f"{path} holds no model: neither {_KINDS}.")
    if len(found) > 1:
        names = ", ".join(file.name for file in found[:10])
        raise InvalidRequest(f"{path} holds several models: name one of {names}.")
    return found[0]


def _begins_a_model(head: bytes) -> bool:
    return head.startswith(b"GGUF") or looks_like_ctranslate2(head) or looks_like_onnx(head)


def _language_model(path: Path) -> Recognised:
    facts = refuse_unsuitable(path)
    return Recognised(
        title=path.stem,
        job="language_model",
        engine="llama",
        description=f"A language model that was brought here; architecture {facts.architecture}",
        files={"model.gguf": path},
        memory_bytes=facts.memory_bytes,
        more={"parameters": facts.parameters}
        | ({"context_tokens": facts.context_tokens} if facts.context_tokens else {}),
        shown=shown_of(facts),
    )


def shown_of(facts: GgufFacts) -> dict[str, object]:
    """The facts of a GGUF, for people."""
    return {
        "architecture": facts.architecture,
        "parameters": facts.parameters,
        "quantisation": facts.quantisation,
        "context tokens": facts.context_tokens,
        "template": facts.template,
        "rolls back": facts.rolls_back,
        "cache bytes per token": facts.cache_bytes_per_token,
    }
