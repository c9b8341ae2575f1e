"""Turns a transformers folder into a folder for CTranslate2, in a process of its own. Layer 2."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any, Final

import anyio
import anyio.to_thread
from anyio.abc import Process

from aura_local.catalogue.conversion_source import ConversionSource
from aura_local.catalogue.ctranslate2_folder import EMBEDDING_FILE
from aura_local.catalogue.model_tables import TABLE_LIMIT_BYTES, json_object
from aura_local.errors import DeadlineExceeded, ModelDamaged, ModelMissing

QUANTIZATIONS: Final = ("int8", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32")
DEADLINE_S: Final = 3600.0
"""The largest Whisper takes some minutes on two cores; the rest is for slow disks."""

_LINE_BYTES: Final = 4096
_LANGUAGE: Final = re.compile(r"<\|[a-z]{2,3}\|>")
_BOOT: Final = "\n".join(
    (
        "import sys",
        "sys.path.append(sys.argv[1])",
        "from aura_local.catalogue.conversion_worker import main",
        "main()",
    )
)
_PACKAGE_PARENT: Final = Path(__file__).resolve().parent.parent.parent


def refuse_without_packages() -> None:
    """Raises `ModelMissing` with the command that installs what converting needs. Imports none of it."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "safetensors")):
        raise ModelMissing("Converting needs more packages: pip install 'aura-local[torch]'.")


async def convert(
    source: ConversionSource,
    workplace: Path,
    *,
    quantization: str,
    progress: Callable[[str], None] = lambda step: None,
) -> Path:
    """Convert into a new folder in `workplace`, an empty folder of the caller's, and return that folder.

    `quantization` is one of `QUANTIZATIONS`. Cancelling ends the process. Raises `ModelMissing` without the
    packages, `ModelDamaged` for a model that cannot be converted, and `DeadlineExceeded`.
    """
    refuse_without_packages()
    staged, output = workplace / "source", workplace / "converted" / (source.folder.resolve().name or "model")
    await anyio.to_thread.run_sync(_stage, source, staged)
    output.parent.mkdir()
    process: Process | None = None
    try:
        with anyio.fail_after(DEADLINE_S):
            process = await anyio.open_process(
                [
                    *(sys.executable, "-I", "-B", "-X", "utf8", "-c", _BOOT),
                    *(str(_PACKAGE_PARENT), str(staged), str(output), quantization),
                ],
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=DEVNULL,
                cwd=workplace,
                # Caches and settings of libraries belong into the workplace, which goes away.
                env={"HOME": str(workplace), "TMPDIR": str(workplace), "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
            answer = await _answer(process, progress)
    except TimeoutError as error:
        raise DeadlineExceeded(f"Converting took longer than {DEADLINE_S / 60:.0f} minutes.") from error
    finally:
        if process is not None:
            with anyio.CancelScope(shield=True):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.aclose()
    if answer.get("outcome") != "done":
        reason = _printable(
            str(answer.get("message", "the process that converts ended, maybe for lack of memory"))
        )
        raise ModelDamaged(f"The model in {source.folder} cannot be converted: {reason}.")
    await anyio.to_thread.run_sync(_finish, source, output)
    return output


async def _answer(process: Process, progress: Callable[[str], None]) -> Mapping[str, Any]:
    """The last line of the process; steps go to `progress`."""
    assert process.stdout is not None
    rest, answer = b"", {}
    async for piece in process.stdout:
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > _LINE_BYTES:
            break
        for line in lines:
            with contextlib.suppress(ValueError, RecursionError):
                said = json.loads(line[:_LINE_BYTES])
                answer = said if isinstance(said, dict) else {}
                if isinstance(answer.get("step"), str):
                    progress(_printable(answer["step"]))
    return answer


def _stage(source: ConversionSource, staged: Path) -> None:
    """Lay out what the converter may see: our own configuration, and links to weights and tokenizer."""
    staged.mkdir()
    _write(staged / "config.json", source.configuration)
    if source.generation:
        _write(staged / "generation_config.json", source.generation)
    # The class that reads any tokenizer.json: those named after models would build another vocabulary.
    _write(
        staged / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": _unknown_word(source.tokenizer)},
    )
    for original in (source.weights, source.tokenizer):
        (staged / original.name).symlink_to(original.resolve())


def _unknown_word(tokenizer: Path) -> str:
    words = _added_words(tokenizer)
    return next((word for word in ("[UNK]", "<unk>", "<|endoftext|>") if word in words), "[UNK]")


def _finish(source: ConversionSource, output: Path) -> None:
    """Add what the engines need beside the weights."""
    shutil.copyfile(source.tokenizer, output / "tokenizer.json")
    if source.embedding:
        _write(output / EMBEDDING_FILE, source.embedding)
    if source.kind == "whisper":
        _write(output / "preprocessor_config.json", source.preprocessor)
        config = json_object(output / "config.json")
        for name in ("suppress_ids", "suppress_ids_begin"):
            config[name] = config.get(name) or []
        config["lang_ids"] = config.get("lang_ids") or _languages(source.tokenizer)
        _write(output / "config.json", config)


def _languages(tokenizer: Path) -> list[int]:
    """Ids of the words for languages; the converter misses them where generation_config.json does."""
    return sorted(id for word, id in _added_words(tokenizer).items() if _LANGUAGE.fullmatch(word))


def _added_words(tokenizer: Path) -> dict[str, int]:
    """Words with an id of their own; `largest_token` has looked at the ids."""
    tokens = json_object(tokenizer, TABLE_LIMIT_BYTES).get("added_tokens")
    return {str(token.get("content", "")): token["id"] for token in tokens or () if isinstance(tokens, list)}


def _write(path: Path, table: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _printable(text: str) -> str:
    return "".join(character for character in text[:200] if character.isprintable())
