"""Whether the description of a Piper voice can be believed, before espeak-ng or onnxruntime do. Layer 2.

espeak-ng makes a path of the voice's name; onnxruntime looks up the numbers of sounds and speakers.
Format: piper's `VOICES.md` and `piper/config.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aura_local.catalogue.model_tables import CONFIGURATION_LIMIT_BYTES, all_whole, json_object, read_head
from aura_local.catalogue.onnx_check import refuse_unsafe_onnx
from aura_local.catalogue.recognised import Recognised
from aura_local.errors import ModelDamaged, UnsupportedMedia

_ESPEAK_VOICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,39}")
_MOST_SPEAKERS: Final = 10_000
_MOST_SYMBOLS: Final = 10_000


def recognise_voice(path: Path) -> Recognised:
    """The voice whose ONNX file is `path`. Raises `ModelDamaged`, and `UnsupportedMedia` for other models."""
    refuse_unsafe_onnx(path)
    # The only file beside it that describes a voice; a folder of one voice may have given it any name.
    described = [file for file in sorted(path.parent.iterdir()) if file != path and _describes_a_voice(file)]
    named = [file for file in described if file.name == f"{path.name}.json"]
    if len(described) != 1 and not named:
        raise UnsupportedMedia(
            f"{path.name} is an ONNX model, but no Piper voice: {path.name}.json is missing."
        )
    file = (named or described)[0]
    description = json_object(file)
    _refuse_unbelievable(description, file.name)
    language = description.get("language")
    family = language.get("family") if isinstance(language, dict) else None
    known = isinstance(family, str) and re.fullmatch(r"[a-z]{2,3}", family)
    return Recognised(
        title=path.stem,
        job="text_to_speech",
        engine="piper",
        description="A Piper voice that was brought here",
        files={"voice.onnx": path, "voice.onnx.json": file},
        memory_bytes=path.stat().st_size + 110_000_000,
        languages=(str(family),) if known else ("any",),
        shown={
            "sample rate hz": description["audio"]["sample_rate"],
            "speakers": description.get("num_speakers", 1),
            "sounds": description.get("phoneme_type", "espeak"),
        },
    )


def _describes_a_voice(file: Path) -> bool:
    if not file.is_file() or read_head(file).lstrip()[:1] != b"{":
        return False
    try:
        value = json_object(file, CONFIGURATION_LIMIT_BYTES)
    except ModelDamaged:
        return False
    return isinstance(value.get("phoneme_id_map"), dict) and isinstance(value.get("audio"), dict)


def _refuse_unbelievable(description: Mapping[str, Any], name: str) -> None:
    speakers, symbols = description.get("num_speakers", 1), description.get("num_symbols", 256)
    if not all_whole([description["audio"].get("sample_rate")], 8_000, 48_000):
        raise ModelDamaged(f"{name} is damaged: no voice has such a sample rate.")
    if not all_whole([speakers], 0, _MOST_SPEAKERS) or not all_whole([symbols], 1, _MOST_SYMBOLS):
        raise ModelDamaged(f"{name} is damaged: it has an impossible number of speakers or symbols.")
    people = description.get("speaker_id_map") or {}
    if not isinstance(people, dict) or not all_whole(people.values(), 0, max(1, speakers) - 1):
        raise ModelDamaged(f"{name} is damaged: it names speakers that the voice does not have.")
    for ids in description["phoneme_id_map"].values():
        if not isinstance(ids, list) or not all_whole(ids, 0, symbols - 1):
            raise ModelDamaged(f"{name} is damaged: it names sounds that the voice does not have.")
    espeak = description.get("espeak") or {}
    voice = espeak.get("voice", "en") if isinstance(espeak, dict) else None
    if not isinstance(voice, str) or not _ESPEAK_VOICE.fullmatch(voice):
        raise ModelDamaged(f"{name} is damaged: what it names is no voice of espeak-ng.")
    for key, value in (description.get("inference") or {}).items():
        if not isinstance(value, int | float) or not 0 <= value <= 10:
            raise ModelDamaged(f"{name} is damaged: its {str(key)[:20]!a} is no such value.")
