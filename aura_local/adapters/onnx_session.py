"""How this program opens an ONNX model: few threads, none of them spinning, no chatter. Layer 3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aura_local.errors import ModelDamaged


def open_session(model: Path, *, threads: int = 1) -> Any:
    """An `onnxruntime.InferenceSession` on the CPU with `threads` compute threads.

    The defaults of onnxruntime take every core and spin on it after each run, which starves the other
    engines (3 cores stayed busy for 1.4 s after each call on a 4-core machine).
    Raises `ModelDamaged` when the file cannot be read as a model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except session_errors() as error:
        raise ModelDamaged(f"The file {model.name} cannot be read as an ONNX model.") from error


def session_errors() -> tuple[type[Exception], ...]:
    """What a session raises: a dozen classes of onnxruntime that share no base but Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = (value for value in vars(state).values() if isinstance(value, type))
    return (RuntimeError, ValueError, *(kind for kind in kinds if issubclass(kind, Exception)))
