"""Turns an encoded audio file into 16 kHz mono samples, inside an isolated worker. Layer 0.

PyAV (FFmpeg) reads from memory only, never from a path: a playlist such as `ffconcat` opens other files
when it is opened by name. The container is named explicitly from the file's first bytes, so that none of
FFmpeg's several hundred other demuxers can be reached. Samples are counted while decoding: 25 MiB of
FLAC silence is 8 GB of samples.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from aura_local.errors import AudioUnreadable, PayloadTooLarge
from aura_local.isolation import WorkerLimits, run_isolated
from aura_local.ports import SPEECH_RATE_HZ, Samples

_REQUEST: Final = struct.Struct("<d")
_RESULT: Final = struct.Struct("<II")
_UNREADABLE: Final = "The audio is damaged or in a format that is not read here."
_SUPPORTED: Final = "WAV, FLAC, Ogg, WebM, MP3 and MP4"


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """A whole recording."""

    samples: Samples
    """Shape (n,), float32 in [-1, 1], mono, 16 kHz; n > 0."""
    seconds: float
    original_rate_hz: int
    channels: int
    """Channels of the file; they are averaged into one."""


def _unreadable() -> AudioUnreadable:
    return AudioUnreadable(_UNREADABLE)


async def decode_audio(data: bytes, *, limit_s: float = 600.0) -> DecodedAudio:
    """Decode a file of at most `limit_s` seconds of audio.

    Raises `AudioUnreadable` for what is empty, damaged or no audio, `PayloadTooLarge` past the limit,
    `DeadlineExceeded` when decoding takes too long. Cancelling the call ends the worker.
    """
    if not data:
        raise AudioUnreadable("The audio file is empty.")
    sample_limit = int(limit_s * SPEECH_RATE_HZ)
    limits = WorkerLimits(output_bytes=sample_limit * 4 + _RESULT.size)
    answer = await run_isolated(
        "audio.decode", _REQUEST.pack(limit_s) + data, limits=limits, unreadable=_unreadable
    )
    if len(answer) <= _RESULT.size or (len(answer) - _RESULT.size) % 4:
        raise _unreadable()
    original_rate_hz, channels = _RESULT.unpack_from(answer)
    samples = np.frombuffer(answer, np.dtype("<f4"), offset=_RESULT.size).astype(np.float32)
    if not np.isfinite(samples).all():
        raise _unreadable()
    return DecodedAudio(
        samples=np.clip(samples, -1.0, 1.0),
        seconds=len(samples) / SPEECH_RATE_HZ,
        original_rate_hz=original_rate_hz,
        channels=channels,
    )


def container_of(data: bytes) -> str | None:
    """Name of the FFmpeg demuxer that the first bytes call for, None where it is none of ours."""
    head = data[:16]
    signatures = {
        "wav": head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE",
        "flac": head[:4] == b"fLaC",
        "ogg": head[:4] == b"OggS",
        "matroska": head[:4] == b"\x1a\x45\xdf\xa3",
        "mov": head[4:8] == b"ftyp",
        "mp3": head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2),
    }
    return next((name for name, matches in signatures.items() if matches), None)


def decode_in_worker(request: bytes) -> bytes:
    """The job `audio.decode`: limit in seconds (float64), then the file; rate, channels, float32 out."""
    (limit_s,) = _REQUEST.unpack_from(request)
    data = request[_REQUEST.size :]
    container = container_of(data)
    if container is None:
        raise AudioUnreadable(f"The file holds no audio that is read here ({_SUPPORTED}).")
    sample_limit = int(limit_s * SPEECH_RATE_HZ)
    pieces: list[bytes] = []
    total_samples = rate_hz = channels = 0
    for piece, rate_hz, channels in _pieces(data, container):  # noqa: B007 - the last ones are kept
        total_samples += len(piece)
        if total_samples > sample_limit:
            raise PayloadTooLarge(f"The audio is longer than {limit_s:g} s.")
        pieces.append(piece.astype("<f4").tobytes())
    if total_samples == 0:
        raise AudioUnreadable("The file holds no audio samples.")
    return _RESULT.pack(rate_hz, channels) + b"".join(pieces)


def _pieces(data: bytes, container: str) -> Iterator[tuple[Samples, int, int]]:
    """Mono 16 kHz pieces with the file's own rate and channel count.

    A damaged packet in the middle is left out; a file of which nothing can be decoded is unreadable.
    """
    import av
    import av.error

    decoded_any = False
    try:
        source = av.open(io.BytesIO(data), mode="r", format=container)
        try:
            if not source.streams.audio:
                raise AudioUnreadable("The file holds no audio track.")
            stream = source.streams.audio[0]
            stream.codec_context.thread_count = 1
            # Channels are averaged here: FFmpeg's own way to mono makes two equal ones 3 dB louder.
            resampler = av.AudioResampler(format="fltp", rate=SPEECH_RATE_HZ)
            rate_hz = channels = 0
            for packet in source.demux(stream):
                for frame in _frames(packet):
                    decoded_any = True
                    rate_hz, channels = frame.sample_rate, frame.layout.nb_channels
                    for resampled in resampler.resample(frame):
                        yield resampled.to_ndarray().mean(axis=0), rate_hz, channels
            if decoded_any:
                for resampled in resampler.resample(None):
                    yield resampled.to_ndarray().mean(axis=0), rate_hz, channels
        finally:
            source.close()
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        if not decoded_any:
            raise AudioUnreadable(_UNREADABLE) from error


def _frames(packet: Any) -> list[Any]:
    import av.error

    try:
        return list(packet.decode())
    except av.error.InvalidDataError:
        return []
