"""A GGUF file opened with llama.cpp: weights and vocabulary, through the low-level bindings. Layer 3.

Only the C interface is used. The binding's own `Llama` class keeps one prompt for all callers, and its
sampling copies gigabytes of logits (see docs of llama-cpp-python `Llama.generate`, `save_state`).
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
from pathlib import Path
from typing import Any

from aura_local.errors import EngineUnavailable, ModelDamaged, ModelMissing

_log = logging.getLogger(__name__)

_ERROR_LEVEL = 4  # of ggml.h; the numbers in llama-cpp-python 0.3.36's own logger are out of date
_LOG_CHARACTERS = 200
_METADATA_BYTES = 65_536


class LlamaWeights:
    """One loaded model. Reading it (tokenising, pieces) is safe from any thread; `close` is not."""

    def __init__(self, file: Path, *, model: str, repack_weights: bool = True) -> None:
        """Load `file`; `model` names it in messages.

        `repack_weights` lets llama.cpp rearrange the weights for the processor's vector units; it is
        ignored where the library was built for AMX (see `_amx`). Raises `ModelMissing`, `ModelDamaged`,
        and `EngineUnavailable` for a model that cannot forget the end of a prompt.
        """
        self._library = _prepared_library()
        self.model = model
        self.handle: Any = self._load(file, repack_weights)
        self._vocabulary = self._library.llama_model_get_vocab(self.handle)
        self.vocabulary_tokens = int(self._library.llama_vocab_n_tokens(self._vocabulary))
        self.trained_context_tokens = int(self._library.llama_model_n_ctx_train(self.handle))
        self._beginning = self._beginning_tokens()
        try:
            self._refuse_what_cannot_roll_back()
        except EngineUnavailable:
            self.close()
            raise

    @property
    def beginning(self) -> tuple[int, ...]:
        """Ids that every prompt starts with; empty for most ChatML models."""
        return self._beginning

    @property
    def metadata(self) -> dict[str, str]:
        """The keys that tell the family of the model; keys the file lacks are absent."""
        values = {}
        for key in ("general.architecture", "general.name", "tokenizer.chat_template"):
            buffer = ctypes.create_string_buffer(_METADATA_BYTES)
            length = self._library.llama_model_meta_val_str(self.handle, key.encode(), buffer, len(buffer))
            if length >= 0:
                values[key] = buffer.value.decode("utf-8", errors="replace")
        return values

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Ids of `text`; markers become special tokens only if `special`."""
        encoded = text.encode("utf-8", errors="replace")
        room = len(encoded) + 8  # a token covers at least one byte; a few may be added in front
        tokens = (self._library.llama_token * room)()
        count = self._library.llama_tokenize(
            self._vocabulary, encoded, len(encoded), tokens, room, False, special
        )
        if count < 0:
            raise EngineUnavailable(f"The language model {self.model} could not tokenise a text.")
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for, often a part of a UTF-8 character; empty for special tokens."""
        buffer = ctypes.create_string_buffer(64)
        length = self._library.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, False)
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = self._library.llama_token_to_piece(
                self._vocabulary, token, buffer, len(buffer), 0, False
            )
        return buffer.raw[:length]

    def ends(self, token: int) -> bool:
        """Whether the model says with this token that its answer is complete."""
        return bool(self._library.llama_vocab_is_eog(self._vocabulary, token))

    def close(self) -> None:
        """Free the weights. Idempotent; every context over them must be closed before."""
        if self.handle is not None:
            self._library.llama_model_free(self.handle)
            self.handle = None

    def _load(self, file: Path, repack_weights: bool) -> Any:
        try:
            with file.open("rb") as opened:
                magic = opened.read(4)
        except OSError as error:
            raise ModelMissing(f"The file {file.name} of the model {self.model} cannot be read.") from error
        if magic != b"GGUF":
            raise ModelDamaged(f"The file {file.name} of the model {self.model} is not a GGUF file.")
        parameters = self._library.llama_model_default_params()
        parameters.load_mode = self._library.LLAMA_LOAD_MODE_MMAP
        parameters.use_extra_bufts = repack_weights and not _amx(self._library)
        handle = self._library.llama_model_load_from_file(str(file).encode(), parameters)
        if not handle:
            raise ModelDamaged(
                f"llama.cpp cannot load {file.name} of the model {self.model}: "
                "the file is damaged or of an architecture this version does not know."
            )
        return handle

    def _refuse_what_cannot_roll_back(self) -> None:
        """Speculation cuts the end of a prompt; recurrent and sliding-window models cannot."""
        library = self._library
        if (
            library.llama_model_is_recurrent(self.handle)
            or library.llama_model_is_hybrid(self.handle)
            or library.llama_model_is_diffusion(self.handle)
            or library.llama_model_n_swa(self.handle) > 0
            or not library.llama_model_has_decoder(self.handle)
        ):
            raise EngineUnavailable(
                f"The model {self.model} cannot roll back its memory (recurrent, hybrid or sliding-window "
                "attention), which interrupting and speculating need; choose one with plain attention."
            )

    def _beginning_tokens(self) -> tuple[int, ...]:
        if not self._library.llama_vocab_get_add_bos(self._vocabulary):
            return ()
        return (int(self._library.llama_vocab_bos(self._vocabulary)),)


@functools.cache
def _prepared_library() -> Any:
    """llama_cpp, imported once, its log turned down; both are process-wide in llama.cpp itself."""
    # Read by libgomp when it is loaded. A spinning team costs far more than it saves: two threads on two
    # busy cores decoded 0.2 s a token spinning, 23 ms passive (measured). The program sets it earlier.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import llama_cpp

    llama_cpp.llama_backend_init()
    llama_cpp.llama_log_set(_log_callback(llama_cpp), None)
    return llama_cpp


@functools.cache
def _log_callback(library: Any) -> Any:
    """The C callback, kept alive for as long as llama.cpp may call it: for ever.

    llama.cpp's errors speak of tensors, cells and files, not of prompts; they are cut to one line.
    """

    def write(level: int, text: bytes, _data: object) -> None:
        if level == _ERROR_LEVEL:
            message = text.decode("utf-8", errors="replace").strip()[:_LOG_CHARACTERS]
            _log.error("llama.cpp: %s", message)

    return library.llama_log_callback(write)


def _amx(library: Any) -> bool:
    """Whether the library multiplies with AMX tiles where it may.

    It must not: compiled with GCC 12, `ldtilecfg` in ggml's AMX kernel reads a half-written tile
    configuration (the compiler takes the other stores for dead) and the process dies of SIGSEGV at the
    first prompt. AMX is one of the buffer types that `use_extra_bufts` turns on, so off goes that.
    """
    return b"AMX_INT8 = 1" in library.llama_print_system_info()
