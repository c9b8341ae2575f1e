"""Contexts for the models that ship, straight from their folders; the catalogue is not involved."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from aura_local.adapters.registry import AdapterContext
from aura_local.cores import CoreBudget
from aura_local.data_files import data_folder
from aura_local.ports import Caller, Priority

CALLER = Caller("first tenant", Priority.VOICE)
OTHER_CALLER = Caller("second tenant", Priority.CHAT)

WHISPER = data_folder("models") / "whisper-synthetic-tiny"
MINILM = data_folder("models") / "all-MiniLM-L6-v2-ct2-int8"
PIPER = data_folder("voices") / "piper-synthetic"
DEV_SENTENCES = data_folder("models") / "sentences_dev.txt"


def context(model: str, files: Mapping[str, Path] | None = None, **options: Any) -> AdapterContext:
    """A context with two cores; `options` become the adapter's options."""
    return AdapterContext(model=model, budget=CoreBudget(2), files=files or {}, options=options)


def folder_context(folder: Path, **options: Any) -> AdapterContext:
    """A context with every file of a folder and of its folders."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return context(folder.name, files, **options)


def packaged_folder(package: str, inside: str) -> Path:
    """A folder inside an installed package that is not imported for it."""
    return Path(str(distribution(package).locate_file(inside)))


def silero_context() -> AdapterContext:
    file = packaged_folder("faster-whisper", "faster_whisper/assets") / "silero_vad_v6.onnx"
    return context("silero-vad-v6", {file.name: file})


def sphinx_context() -> AdapterContext:
    return folder_context(packaged_folder("pocketsphinx", "pocketsphinx/model/en-us"))


def espeak_context(**options: Any) -> AdapterContext:
    return context("espeak-ng", **options)
