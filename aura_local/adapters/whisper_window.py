"""How much of Whisper's 30 s window an utterance needs, and when the answer is not to be trusted. Layer 3.

Only for models trained for it (`dynamic_window` in the catalogue): cutting the window of stock Whisper
ruins it (LibriSpeech clean, tiny.en: 4.7 % word errors at the full window, 226 % at a short one).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

FULL_FRAMES: Final = 3000
"""Log-mel frames (10 ms each) of the window that Whisper is built for."""

TAIL_FRAMES: Final = 100
"""Empty frames behind the speech. With 50 and speech that ends 50 to 100 ms before the clip does, single
clips of 50 became other sentences (5.9 to 6.8 % word errors against 1.2 % at the full window); with 75 and
more none did (10 espeak-ng voices)."""

LEAST_FRAMES: Final = 400
"""Commands of one or two words need this much: "okay" became a long sentence in 140 frames. 15.4 % word
errors there, 2.4 % at 300 frames, 0.8 % at 400 and at the full window."""

REPEATS_OF_A_LOOP: Final = 3

MOST_TOKENS_PER_SECOND: Final = 16
"""A bound on decoding: the fastest speech measured needed 13.6 tokens a second, in a vocabulary of 780."""

MOST_NEW_TOKENS: Final = 224
"""Half of the decoder's positions, as in Whisper itself."""


def fitted_frames(speech_frames: int) -> int:
    """Frames to encode for `speech_frames` frames of speech; even, because the encoder halves them."""
    wanted = max(LEAST_FRAMES, speech_frames + TAIL_FRAMES)
    return min(FULL_FRAMES, wanted + wanted % 2)


def fit(features: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Features of shape (mels, n), cut or padded with zeros to (1, mels, frames), contiguous.

    Zeros are what faster-whisper pads with as well.
    """
    kept = features[:, :frames]
    padded = np.pad(kept, ((0, 0), (0, frames - kept.shape[1])))
    return np.ascontiguousarray(padded[np.newaxis], dtype=np.float32)


def most_new_tokens(seconds: float) -> int:
    """The bound on generated tokens for this much speech."""
    return min(MOST_NEW_TOKENS, math.ceil(MOST_TOKENS_PER_SECOND * seconds) + 8)


def loops(tokens: Sequence[int]) -> bool:
    """Whether the end is one group of tokens, of any length, three times in a row."""
    for length in range(1, len(tokens) // REPEATS_OF_A_LOOP + 1):
        tail = list(tokens[-length * REPEATS_OF_A_LOOP :])
        if tail == tail[:length] * REPEATS_OF_A_LOOP:
            return True
    return False
