"""Voice activity by silero VAD on ONNX Runtime, without torch. Layer 3.

The weights are the ONNX file that faster-whisper carries. The package `silero-vad` is never imported: it
sets torch to one thread for the whole process.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from aura_local.adapters.onnx_session import open_session, session_errors
from aura_local.adapters.registry import AdapterContext
from aura_local.errors import EngineUnavailable
from aura_local.ports import FRAME_SAMPLES, EngineDescription, Samples

MODEL_FILE: Final = "silero_vad_v6.onnx"

CONTEXT_SAMPLES: Final = 64
"""Samples of the frame before that the network is given again."""

STATE_SHAPE: Final = (1, 1, 128)


class SileroStream:
    """Recurrent state and context of one audio stream; the network itself is shared and has no state."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.reset()

    def reset(self) -> None:
        self._hidden = np.zeros(STATE_SHAPE, dtype=np.float32)
        self._cell = np.zeros(STATE_SHAPE, dtype=np.float32)
        # The context of the last frame, then the frame: one buffer, filled anew for every call.
        self._window = np.zeros((1, CONTEXT_SAMPLES + FRAME_SAMPLES), dtype=np.float32)

    def probability(self, frame: Samples) -> float:
        """See `VoiceActivityStream.probability`; about 0.1 ms on the caller's thread."""
        if frame.shape != (FRAME_SAMPLES,):
            raise ValueError(f"a frame has {FRAME_SAMPLES} samples, not {frame.shape}")
        self._window[0, :CONTEXT_SAMPLES] = self._window[0, -CONTEXT_SAMPLES:]
        self._window[0, CONTEXT_SAMPLES:] = frame
        feed = {"input": self._window, "h": self._hidden, "c": self._cell}
        try:
            probabilities, self._hidden, self._cell = self._session.run(None, feed)
        except session_errors() as error:
            raise EngineUnavailable("The speech detector failed on a frame of audio.") from error
        return float(probabilities.reshape(-1)[0])


class SileroDetector:
    """One shared session for all streams."""

    def __init__(self, session: Any, description: EngineDescription) -> None:
        self._session = session
        self._description = description

    @property
    def description(self) -> EngineDescription:
        return self._description

    def open_stream(self) -> SileroStream:
        if self._session is None:
            raise EngineUnavailable("The speech detector is closed.", retryable=True)
        return SileroStream(self._session)

    async def close(self) -> None:
        """Let go of the network; open streams keep it alive until they end. Idempotent."""
        self._session = None


def open_adapter(context: AdapterContext) -> SileroDetector:
    """Needs the file `silero_vad_v6.onnx`. Raises `ModelMissing`, `ModelDamaged`."""
    session = open_session(context.file(MODEL_FILE))
    SileroStream(session).probability(np.zeros(FRAME_SAMPLES, dtype=np.float32))
    return SileroDetector(session, EngineDescription("silero", context.model, note=context.note))
