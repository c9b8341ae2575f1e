"""The network of the voice, and the same network in the form that Piper expects of an ONNX file.

Phoneme ids -> convolutional encoder -> durations -> frames -> convolutional decoder -> F0, a harmonic and a
noise spectral envelope -> pulse train and noise, filtered in the STFT domain.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

SAMPLE_RATE_HZ = 22050
HOP = 256  # samples per frame of the networks
FILTER_HOP = 128  # samples per frame of the filter bank, two per network frame
FFT = 512
VOICED, NOISY, PHONEME_IDS = 64, 24, 256
NOISE_SAMPLES, JITTERS = 32768, 1024


def mel_bands(count: int) -> Tensor:
    """[count, FFT / 2 + 1] interpolation from `count` mel-spaced points to FFT bins."""

    def mel(frequency_hz: np.ndarray | float) -> np.ndarray:
        return 1127 * np.log1p(frequency_hz / 700)

    bins_hz = np.linspace(0, SAMPLE_RATE_HZ / 2, FFT // 2 + 1)
    position = mel(bins_hz) / mel(SAMPLE_RATE_HZ / 2) * (count - 1)
    weights = np.maximum(0, 1 - np.abs(position[None] - np.arange(count)[:, None]))
    return torch.tensor(weights, dtype=torch.float32)


class Block(nn.Module):
    """A residual convolution over [batch, time, width]."""

    def __init__(self, width: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        padding = (kernel - 1) // 2 * dilation
        self.conv = nn.Conv1d(width, width, kernel, padding=padding, dilation=dilation)
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, states: Tensor) -> Tensor:
        convolved = self.conv(states.transpose(1, 2)).transpose(1, 2)
        return states + self.out(functional.relu(self.norm(convolved)))


class Voice(nn.Module):
    def __init__(self, width: int = 128, frame_width: int = 176) -> None:
        super().__init__()
        self.embed = nn.Embedding(PHONEME_IDS, width)
        self.encoder = nn.ModuleList([Block(width, kernel) for kernel in (7, 7, 5, 5)])
        self.duration = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))
        self.into = nn.Linear(width + 4, frame_width)
        kernels = ((5, 1), (5, 2), (5, 4), (5, 1), (3, 1))
        self.decoder = nn.ModuleList([Block(frame_width, kernel, dilation) for kernel, dilation in kernels])
        self.head = nn.Linear(frame_width, 1 + VOICED + NOISY)
        self.head.weight.data *= 0.1
        self.head.bias.data[:] = 0
        self.register_buffer("voiced_bands", mel_bands(VOICED), persistent=False)
        self.register_buffer("noisy_bands", mel_bands(NOISY), persistent=False)
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)
        # A fixed table of noise makes the exported voice deterministic.
        generator = torch.Generator().manual_seed(1)
        self.register_buffer("noise", torch.randn(NOISE_SAMPLES, generator=generator), persistent=False)
        self.register_buffer("jitter", torch.randn(JITTERS, generator=generator), persistent=False)

    def phonemes(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """States of the ids [batch, ids], and log(1 + frames) of each."""
        states = self.embed(ids)
        for block in self.encoder:
            states = block(states)
        return states, self.duration(states).squeeze(-1)

    def frames(
        self, states: Tensor, index: Tensor, progress: Tensor, duration: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """F0 in Hz, harmonic and noise log envelopes of every frame.

        `index`, `progress` (0..1) and `duration` (frames), all [batch, frames], say which phoneme a frame
        belongs to and where in it the frame lies.
        """
        frames = torch.gather(states, 1, index[..., None].expand(-1, -1, states.shape[-1]))
        place = [progress, progress * progress, torch.log1p(duration), 1 / (1 + duration)]
        frames = self.into(torch.cat([frames, torch.stack(place, -1)], -1))
        for block in self.decoder:
            frames = block(frames)
        out = self.head(frames)
        f0_hz = 110 * torch.exp(torch.clamp(out[..., 0], -1, 1))
        voiced = torch.clamp(out[..., 1 : 1 + VOICED] * 3 - 3, -12, 6) @ self.voiced_bands
        noisy = torch.clamp(out[..., 1 + VOICED :] * 3 - 5, -12, 6) @ self.noisy_bands
        return f0_hz, voiced, noisy

    @staticmethod
    def pulses(f0_hz: Tensor) -> Tensor:
        """[batch, frames] Hz -> a roughly band-limited pulse train [batch, frames * HOP] of unit power."""
        cycles = f0_hz[..., None].expand(-1, -1, HOP).reshape(f0_hz.shape[0], -1) / SAMPLE_RATE_HZ
        phase = torch.cumsum(cycles, 1)
        offset = (phase - torch.floor(phase + 0.5)) / cycles
        return functional.relu(1 - torch.abs(offset)) / torch.sqrt(cycles)

    @staticmethod
    def filter_frames(frames: Tensor) -> Tensor:
        """[batch, n, bins] network frames -> [batch, 2n + 1, bins] filter frames, interpolated."""
        following = torch.cat([frames[:, 1:], frames[:, -1:]], 1)
        doubled = torch.stack([frames, (frames + following) / 2], 2)
        doubled = doubled.reshape(frames.shape[0], -1, frames.shape[2])
        return torch.cat([doubled, frames[:, -1:]], 1)

    def render(self, f0_hz: Tensor, voiced: Tensor, noisy: Tensor, noise: Tensor) -> Tensor:
        """Samples [batch, frames * HOP] of the pulse train and the noise under their envelopes."""
        spectrum = self._stft(self.pulses(f0_hz)) * torch.exp(self.filter_frames(voiced)).transpose(1, 2)
        spectrum = spectrum + self._stft(noise) * torch.exp(self.filter_frames(noisy)).transpose(1, 2)
        samples = f0_hz.shape[1] * HOP
        return torch.istft(spectrum, FFT, FILTER_HOP, window=self.window, center=True, length=samples)

    def _stft(self, signal: Tensor) -> Tensor:
        return torch.stft(
            signal,
            FFT,
            FILTER_HOP,
            window=self.window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )


class PiperVoice(nn.Module):
    """Piper's contract: ids [1, n], lengths [1], scales [noise, length, noise_w] -> [1, 1, 1, samples].

    The STFT is written as convolutions, which ONNX can express.
    """

    def __init__(self, voice: Voice) -> None:
        super().__init__()
        self.voice = voice
        bins = FFT // 2 + 1
        angle = torch.arange(FFT)[None] * torch.arange(bins)[:, None] * (2 * math.pi / FFT)
        basis = torch.cat([torch.cos(angle), -torch.sin(angle)]) * voice.window
        self.register_buffer("analysis", basis[:, None].float())
        weight = torch.full((bins, 1), 2.0)
        weight[0] = weight[-1] = 1
        inverse = torch.cat([torch.cos(angle) * weight, -torch.sin(angle) * weight])
        self.register_buffer("synthesis", (inverse / FFT * voice.window / 1.5)[:, None].float())

    def forward(self, ids: Tensor, lengths: Tensor, scales: Tensor) -> Tensor:
        voice = self.voice
        ids = torch.clamp(ids[:, : lengths[0]], 0, PHONEME_IDS - 1)
        states, log_frames = voice.phonemes(ids)
        frames = torch.clamp(torch.exp(log_frames) - 1, 0, 60)
        position = torch.cumsum(torch.ones_like(ids), 1)
        frames = frames * scales[1] * torch.exp(voice.jitter[position % JITTERS] * scales[2] * 0.04)
        frames = frames + (position == 1).to(frames.dtype)  # at least one frame
        width = torch.ceil(frames - 0.5)  # the one Ceil node, which Piper reads alignments from
        end = torch.cumsum(width, 1)
        total = end[0, -1].to(torch.int64)
        one = torch.ones_like(voice.embed.weight[:1, :1])
        time = torch.cumsum(one.expand(total, 1)[:, 0], 0)[None] - 1
        index = (end[:, None, :] <= time[:, :, None]).to(torch.int64).sum(-1)
        duration = torch.gather(width, 1, index)
        start = torch.gather(end, 1, index) - duration
        progress = (time - start + 0.5) / duration
        f0_hz, voiced, noisy = voice.frames(states, index, progress, duration / scales[1])
        pulses = voice.pulses(f0_hz)
        sample = torch.cumsum(torch.ones_like(pulses).to(torch.int64), 1)
        noise = voice.noise[sample % NOISE_SAMPLES]
        harmonic_gain = torch.exp(voice.filter_frames(voiced)).transpose(1, 2)
        noise_gain = torch.exp(voice.filter_frames(noisy)).transpose(1, 2) * (0.7 + 0.45 * scales[0])
        spectrum = self._analyse(pulses) * torch.cat([harmonic_gain, harmonic_gain], 1)
        spectrum = spectrum + self._analyse(noise) * torch.cat([noise_gain, noise_gain], 1)
        audio = functional.conv_transpose1d(spectrum, self.synthesis, stride=FILTER_HOP)
        return torch.clamp(audio[:, :, FFT // 2 : -(FFT // 2)], -1, 1)[:, None]

    def _analyse(self, signal: Tensor) -> Tensor:
        return functional.conv1d(signal[:, None], self.analysis, stride=FILTER_HOP, padding=FFT // 2)
