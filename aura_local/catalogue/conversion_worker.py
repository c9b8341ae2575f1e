"""The process that converts a model: it alone loads torch, and gives the memory back by ending. Layer 2.

Run as `python -I -c BOOT PACKAGE_PARENT FOLDER OUTPUT QUANTIZATION`. It reads the folder that `conversion`
has laid out, has no network, and writes lines of JSON to standard output:

    {"step": "starting"}     then "loading", "converting", "writing"
    {"outcome": "done"}      or {"outcome": "refused", "message": "..."}
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final

from aura_local.egress import forbid_egress
from aura_local.isolation_worker import cut_network

UNUSED_WEIGHTS: Final = ("pooler.", "embeddings.position_ids", "embed_positions", "proj_out")
"""Weights that a folder may lack: not used, computed, or the same as others."""


class _WeightsMissing(Exception):
    """transformers would fill the gap with random numbers and convert that."""


def main() -> None:
    """Convert, and answer; every outcome but a crash is a line."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # progress bars of libraries must not write into the answer

    def tell(**line: str) -> None:
        output.write(json.dumps(line) + "\n")
        output.flush()

    tell(step="starting")
    cut_network()
    forbid_egress()
    folder, destination, quantization = sys.argv[2:5]
    try:
        _convert(folder, destination, quantization, tell)
    except _WeightsMissing as error:
        tell(outcome="refused", message=str(error))
    except MemoryError:
        tell(outcome="refused", message="there is not enough memory")
    except Exception as error:  # noqa: BLE001  whatever libraries raise about a foreign model ends here
        tell(outcome="refused", message=f"{type(error).__name__}: {error}"[:200])
    else:
        tell(outcome="done")
    os._exit(0)


def _convert(folder: str, destination: str, quantization: str, tell: Any) -> None:
    from ctranslate2.converters import TransformersConverter

    converter = TransformersConverter(folder, low_cpu_mem_usage=True)

    def load_model(model_class: Any, path: str, **options: Any) -> Any:
        tell(step="loading")
        model, report = model_class.from_pretrained(
            path, local_files_only=True, use_safetensors=True, output_loading_info=True, **options
        )
        missing = [key for key in report["missing_keys"] if not any(name in key for name in UNUSED_WEIGHTS)]
        if missing:
            raise _WeightsMissing(f"{len(missing)} of its weights are missing")
        tell(step="converting")
        return model

    converter.load_model = load_model
    converter.convert(destination, quantization=quantization)
    tell(step="writing")
