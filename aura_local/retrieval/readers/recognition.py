"""Whether and how the text of scanned pages is recognised, and what is missing for it. Layer 2."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEBIAN_DATA: Final = Path("/usr/share/tesseract-ocr/5/tessdata")
"""Where Debian's packages `tesseract-ocr-*` put the language data; the default of the settings."""
_SEPARATOR: Final = "\n"


@dataclass(frozen=True, slots=True)
class Recognition:
    """The wish to have scanned pages recognised; the worker finds out whether it can be met."""

    languages: tuple[str, ...] = ("eng",)
    """Tesseract's names, for example `eng`, `deu`, `chi_sim`; at least one, the likeliest first."""
    data: Path = DEBIAN_DATA
    """Folder with `NAME.traineddata` for each of them."""

    def packed(self) -> str:
        """As one text, for the worker's request."""
        return f"{'+'.join(self.languages)}{_SEPARATOR}{self.data}"


DEFAULT_RECOGNITION: Final = Recognition()


def unpacked_recognition(packed: str) -> Recognition | None:
    """What `Recognition.packed` wrote; None for the empty text."""
    languages, _, folder = packed.partition(_SEPARATOR)
    return Recognition(tuple(languages.split("+")), Path(folder)) if packed else None


def missing_for(recognition: Recognition) -> str:
    """How to get what is not there, in one sentence with one command; empty where everything is."""
    commands = []
    if importlib.util.find_spec("tesserocr") is None:
        commands.append("pip install 'aura-local[ocr]'")
    languages = [
        name for name in recognition.languages if not (recognition.data / f"{name}.traineddata").is_file()
    ]
    if languages and recognition.data != DEBIAN_DATA:
        return f"The folder documents.recognition_data lacks {languages[0]}.traineddata."
    if languages:
        packages = " ".join(f"tesseract-ocr-{name.replace('_', '-')}" for name in languages)
        commands.append(f"sudo apt-get install {packages}")
    return f"To have it done here: {' && '.join(commands)}" if commands else ""
