"""An in-process espeak-ng synthesiser (ctypes) that also returns phoneme and word events."""

from __future__ import annotations

import ctypes
from pathlib import Path

import espeakng_loader
import numpy as np

EVENT_END, EVENT_WORD, EVENT_PHONEME = 0, 1, 7
AUDIO_OUTPUT_SYNCHRONOUS, INITIALIZE_PHONEME_EVENTS, INITIALIZE_PHONEME_IPA = 2, 1, 2
CHARACTERS_UTF8, RATE, PITCH, RANGE = 1, 1, 3, 4


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


class Espeak:
    """One voice at a time; the library's state is global, so one instance per process.

    After `say`, `words` holds (character position, sample) of the word starts.
    """

    def __init__(self, library: Path | None = None, data: Path | None = None) -> None:
        self._library = ctypes.CDLL(str(library or espeakng_loader.get_library_path()))
        self.sample_rate_hz = self._library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS,
            0,
            str(data or espeakng_loader.get_data_path()).encode(),
            INITIALIZE_PHONEME_EVENTS | INITIALIZE_PHONEME_IPA,
        )
        assert self.sample_rate_hz > 0, "espeak_Initialize failed"
        self._voice: str | None = None
        self._clear()
        prototype = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
        )
        self._callback = prototype(self._receive)  # kept alive: espeak-ng calls it from every synthesis
        self._library.espeak_SetSynthCallback(self._callback)

    def say(
        self, text: str, voice: str = "en-us", *, rate: int = 175, pitch: int = 50, pitch_range: int = 50
    ) -> tuple[np.ndarray, int, list[tuple[str, int]]]:
        """float32 audio in -1..1, its sample rate in Hz, and (IPA, sample) of every phoneme start.

        `rate` is in words a minute, `pitch` and `pitch_range` in espeak-ng's 0..99.
        """
        if voice != self._voice:
            assert self._library.espeak_SetVoiceByName(voice.encode()) == 0, f"no voice {voice}"
            self._voice = voice
        for parameter, value in ((RATE, rate), (PITCH, pitch), (RANGE, pitch_range)):
            self._library.espeak_SetParameter(parameter, int(value), 0)
        self._clear()
        raw = text.encode() + b"\0"
        self._library.espeak_Synth(raw, ctypes.c_size_t(len(raw)), 0, 1, 0, CHARACTERS_UTF8, None, None)
        self._library.espeak_Synchronize()
        audio = np.concatenate(self._audio) if self._audio else np.zeros(1, np.int16)
        return audio.astype(np.float32) / 32768.0, self.sample_rate_hz, self._phonemes

    def _clear(self) -> None:
        self._audio: list[np.ndarray] = []
        self._phonemes: list[tuple[str, int]] = []
        self.words: list[tuple[int, int]] = []

    def _receive(self, samples, count, events) -> int:  # type: ignore[no-untyped-def]
        if samples and count > 0:
            self._audio.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        index = 0
        while events[index].type != EVENT_END:
            event = events[index]
            if event.type == EVENT_PHONEME:
                self._phonemes.append((event.id.string.decode("utf-8", "replace"), event.sample))
            elif event.type == EVENT_WORD:
                self.words.append((event.text_position - 1, event.sample))
            index += 1
        return 0
