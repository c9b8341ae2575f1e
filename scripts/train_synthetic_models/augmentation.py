"""Noise, rooms and levels for 16 kHz training audio (float32 in -1..1), and clips without any speech."""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import fftconvolve, resample_poly

SAMPLE_RATE_HZ = 16000


def coloured_noise(random: np.random.Generator, samples: int, tilt: float) -> np.ndarray:
    """Noise of unit power whose amplitude falls as frequency to the power `tilt`: 0 white, 0.5 pink."""
    length = next_fast_len(samples, real=True)
    noise = random.standard_normal(length, dtype=np.float32)
    if tilt:
        spectrum = rfft(noise)
        falling = np.maximum(np.arange(len(spectrum)), 8).astype(np.float32) ** tilt
        noise = irfft(spectrum / falling, length)
    noise = noise[:samples]
    return noise / (np.sqrt(np.mean(noise * noise)) + 1e-9)


def add_noise(
    random: np.random.Generator, audio: np.ndarray, snr_db: float, tilt: float | None = None
) -> np.ndarray:
    """The audio with noise `snr_db` below the power of its audible samples; a random tilt unless given."""
    if tilt is None:
        tilt = random.choice([0.0, 0.5, 1.0])
    audible = np.abs(audio) > 1e-3
    level = np.sqrt(np.mean(audio[audible] ** 2)) if np.any(audible) else 0.05
    return audio + coloured_noise(random, len(audio), tilt) * level * 10 ** (-snr_db / 20)


def clip_without_speech(random: np.random.Generator) -> np.ndarray:
    """0.3-6 s of digital silence, noise, slow swells, hum or clicks."""
    samples = int(random.uniform(0.3, 6.0) * SAMPLE_RATE_HZ)
    kind = random.random()
    if kind < 0.25:
        return np.zeros(samples, np.float32)
    audio = coloured_noise(random, samples, random.choice([0.0, 0.3, 0.5, 0.8, 1.0]))
    if kind < 0.45:  # slow swells
        swell = np.interp(np.arange(samples), np.linspace(0, samples, 8), random.uniform(0.05, 1, 8))
        audio *= swell.astype(np.float32)
    elif kind < 0.6:  # hum or tone
        time_s = np.arange(samples) / SAMPLE_RATE_HZ
        frequency_hz = random.choice([50, 60, 100, 440, 1000])
        tone = np.sin(2 * np.pi * frequency_hz * time_s).astype(np.float32)
        audio = 0.1 * audio + tone * random.uniform(0.2, 2)
    elif kind < 0.75:  # clicks
        audio *= 0.05
        for _ in range(random.integers(1, 8)):
            start = random.integers(0, max(1, samples - 400))
            length = min(400, samples - start)
            decay = np.exp(-np.arange(length) / 60)
            audio[start : start + length] += random.standard_normal(length) * decay * random.uniform(0.3, 3)
    audio = audio / (np.abs(audio).max() + 1e-9) * 10 ** (-random.uniform(6, 70) / 20)
    return _as_pcm16(audio) if random.random() < 0.7 else audio.astype(np.float32)


def augment(random: np.random.Generator, audio: np.ndarray) -> np.ndarray:
    """The audio in a random small room, band, level and noise, never louder than full scale."""
    if random.random() < 0.10:  # small room
        samples = int(random.uniform(0.04, 0.15) * SAMPLE_RATE_HZ)
        decay = np.exp(-np.linspace(0, 6, samples))
        response = random.standard_normal(samples) * decay * random.uniform(0.05, 0.3)
        response[0] = 1
        audio = fftconvolve(audio, response)[: len(audio)].astype(np.float32)
    if random.random() < 0.06:  # narrow band
        audio = resample_poly(resample_poly(audio, 1, 2), 2, 1)[: len(audio)].astype(np.float32)
    audio = audio / (np.abs(audio).max() + 1e-6) * 10 ** (-random.uniform(0.3, 22) / 20)
    if random.random() < 0.65:
        audio = add_noise(random, audio, random.uniform(8, 40))
    peak = np.abs(audio).max()
    if peak > 1:
        audio = audio / peak
    return _as_pcm16(audio) if random.random() < 0.8 else audio.astype(np.float32)


def _as_pcm16(audio: np.ndarray) -> np.ndarray:
    """Rounded to what 16-bit samples can hold."""
    return np.round(audio * 32767).astype(np.float32) / 32767
