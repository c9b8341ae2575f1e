"""Encoded audio in, 16 kHz mono out; everything else one clear error."""

from __future__ import annotations

import io
import random
import wave
from typing import Any

import av
import numpy as np
import pytest

from aura_local.audio.decode import container_of, decode_audio
from aura_local.errors import AudioUnreadable, PayloadTooLarge
from aura_local.ports import Samples


def tone(seconds: float, rate_hz: int) -> Samples:
    times = np.arange(int(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * 440 * times)).astype(np.float32)


def wav(samples: Samples, rate_hz: int, channels: int = 1) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes((np.repeat(samples, channels) * 32767).astype("<i2").tobytes())
    return target.getvalue()


def encoded(samples: Samples, rate_hz: int, container: str, codec: str, layout: str = "mono") -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=rate_hz)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[np.newaxis], "s16", "mono")
        frame.sample_rate = rate_hz
        resampler = av.AudioResampler(
            stream.format.name, layout, rate_hz, frame_size=stream.frame_size or 1024
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return target.getvalue()


@pytest.mark.anyio
async def test_wav_is_resampled_mixed_down_and_kept_in_time() -> None:
    decoded = await decode_audio(wav(tone(1.0, 44_100), 44_100, channels=2))
    assert decoded.original_rate_hz == 44_100
    assert decoded.channels == 2
    assert decoded.seconds == pytest.approx(1.0, abs=0.002)
    assert decoded.samples.dtype == np.float32
    middle = decoded.samples[4_000:12_000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) * 16_000 / 8_000 == pytest.approx(440, abs=4)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("container", "codec", "rate_hz"),
    [
        ("flac", "flac", 16_000),
        ("ogg", "libopus", 48_000),
        ("webm", "libopus", 48_000),
        ("matroska", "pcm_s16le", 16_000),
        ("mp3", "libmp3lame", 44_100),
        ("mp4", "aac", 44_100),
    ],
)
async def test_every_container_is_decoded(container: str, codec: str, rate_hz: int) -> None:
    decoded = await decode_audio(encoded(tone(1.0, rate_hz), rate_hz, container, codec))
    assert decoded.seconds == pytest.approx(1.0, abs=0.12)
    assert decoded.original_rate_hz == rate_hz
    assert np.abs(decoded.samples).max() > 0.4


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\x00", "no audio that is read here"),
        (b"plain text, not audio at all", "no audio that is read here"),
        (wav(np.zeros(0, np.float32), 16_000), "no audio samples"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt " + b"\xff" * 28, "damaged"),
        (b"fLaC" + b"\x00" * 200, "damaged"),
        (b"OggS" + b"\x17" * 500, "damaged"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "no audio that is read here"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:10\nfile:///etc/passwd\n", "no audio that is read here"),
    ],
)
async def test_bad_audio_is_one_clear_error(data: bytes, message: str) -> None:
    with pytest.raises(AudioUnreadable, match=message):
        await decode_audio(data)


@pytest.mark.anyio
async def test_binary_garbage_is_refused() -> None:
    garbage = random.Random(7).randbytes(50_000)
    with pytest.raises(AudioUnreadable):
        await decode_audio(garbage)
    with pytest.raises(AudioUnreadable):
        await decode_audio(b"ID3" + garbage)


@pytest.mark.anyio
async def test_a_cut_file_gives_what_can_be_heard() -> None:
    whole = encoded(tone(2.0, 16_000), 16_000, "flac", "flac")
    decoded = await decode_audio(whole[: len(whole) // 2])
    assert 0.3 < decoded.seconds < 1.9


@pytest.mark.anyio
async def test_silence_bombs_stop_at_the_limit() -> None:
    silence = np.zeros(16_000 * 700, np.float32)
    bomb = encoded(silence, 16_000, "flac", "flac")
    assert len(bomb) < len(silence) // 40
    with pytest.raises(PayloadTooLarge, match="longer than 600 s"):
        await decode_audio(bomb)
    with pytest.raises(PayloadTooLarge, match="longer than 2 s"):
        await decode_audio(wav(tone(2.1, 16_000), 16_000), limit_s=2)
    assert (await decode_audio(wav(tone(1.9, 16_000), 16_000), limit_s=2)).seconds == pytest.approx(
        1.9, abs=0.01
    )


@pytest.mark.anyio
async def test_a_header_that_claims_one_sample_a_second_is_stopped_too() -> None:
    with pytest.raises(PayloadTooLarge):
        await decode_audio(wav(tone(2.0, 16_000), 1))


def test_only_our_containers_are_recognised() -> None:
    assert container_of(b"RIFF\x00\x00\x00\x00WAVE") == "wav"
    assert container_of(b"RIFF\x00\x00\x00\x00AVI ") is None
    assert container_of(b"\xff\xfb\x90\x00") == "mp3"
    assert container_of(b"\xff\xff\xff\xff") is None
    assert container_of(b"\xff") is None
