"""Train a small voice in Piper's format on espeak-ng speech and export it to ONNX.

    python make_voice.py --text build/text/train.txt --out build/voice --minutes 10

Durations come from espeak-ng's phoneme events, F0 from autocorrelation; everything else is learnt with a
multi-resolution spectral loss.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP
from torch import Tensor, nn
from torch.nn import functional
from voice_data import Batch, Utterance, make_batch, make_utterances
from voice_model import HOP, PHONEME_IDS, SAMPLE_RATE_HZ, PiperVoice, Voice

BATCH = 12
REPORT_EVERY_STEPS = 100


def spectral_loss(made: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """Distance of the magnitudes and their logarithms at three resolutions, over real frames."""
    loss = 0
    for size in (256, 512, 1024):
        window = torch.hann_window(size)
        a, b = (
            torch.stft(signal, size, size // 4, window=window, return_complex=True).abs()
            for signal in (made, wanted)
        )
        log_a, log_b = (torch.log(magnitude / math.sqrt(size) + 2e-4) for magnitude in (a, b))
        real = functional.interpolate(mask[:, None].float(), size=a.shape[-1], mode="nearest")
        loss = loss + ((log_a - log_b).abs() * real).sum() / (real.sum() * a.shape[1])
        loss = loss + ((a - b).abs() * real).sum() / (b * real).sum()
    return loss / 3


def losses(voice: Voice, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Of the spectrum, of the durations and of the fundamental frequency."""
    states, log_frames = voice.phonemes(batch.ids)
    missed = (log_frames - torch.log1p(batch.frames)).abs()
    duration_loss = (missed * batch.real).sum() / batch.real.sum()
    f0_hz, voiced, noisy = voice.frames(states, batch.index, batch.progress, batch.duration)
    missed = (torch.log(f0_hz) - torch.log(batch.f0_hz)).abs()
    f0_loss = (missed * batch.voiced).sum() / batch.voiced.sum()
    made = voice.render(batch.f0_hz, voiced, noisy, torch.randn_like(batch.audio))
    return spectral_loss(made, batch.audio, batch.mask), duration_loss, f0_loss


def train(utterances: list[Utterance], minutes: float, learning_rate: float, init: str | None) -> Voice:
    """A voice trained for that long, from random weights or from the checkpoint `init`."""
    torch.manual_seed(0)
    voice, source = Voice(), random.Random(0)
    if init:
        voice.load_state_dict(torch.load(init))
    optimizer = torch.optim.AdamW(voice.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    start, step, history = time.monotonic(), 0, []
    while True:
        pool = source.sample(utterances, min(240, len(utterances)))
        pool.sort(key=lambda utterance: len(utterance.f0_hz))
        groups = [pool[i : i + BATCH] for i in range(0, len(pool), BATCH)]
        source.shuffle(groups)
        for group in groups:
            share = (time.monotonic() - start) / (minutes * 60)
            if share >= 1:
                return voice
            warm_up, cosine = min(1, (step + 1) / 100), 0.5 * (1 + math.cos(math.pi * share))
            for parameters in optimizer.param_groups:
                parameters["lr"] = learning_rate * warm_up * cosine + 1e-5
            spectral, duration, f0 = losses(voice, make_batch(group))
            optimizer.zero_grad(set_to_none=True)
            (spectral + duration + 3 * f0).backward()
            nn.utils.clip_grad_norm_(voice.parameters(), 1.0)
            optimizer.step()
            step += 1
            history.append((spectral.item(), duration.item(), f0.item()))
            if step % REPORT_EVERY_STEPS == 0:
                means = np.mean(history[-REPORT_EVERY_STEPS:], 0)
                print(
                    f"step {step} {time.monotonic() - start:.0f}s spectral {means[0]:.3f} "
                    f"duration {means[1]:.3f} f0 {means[2]:.4f}",
                    flush=True,
                )


def export(voice: Voice, folder: Path) -> None:
    """Write voice.onnx and voice.onnx.json."""
    path = folder / "voice.onnx"
    module = PiperVoice(voice.eval()).eval()
    example = (torch.randint(3, 120, (1, 40)), torch.tensor([40]), torch.tensor([0.667, 1.0, 0.8]))
    torch.onnx.export(
        module,
        example,
        str(path),
        input_names=["input", "input_lengths", "scales"],
        output_names=["output"],
        dynamic_axes={"input": {1: "phonemes"}, "output": {3: "time"}},
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(str(path))
    for dimension in model.graph.output[0].type.tensor_type.shape.dim[:3]:
        dimension.dim_value = 1
    for node in model.graph.node:
        node.doc_string = ""
    onnx.save(model, str(path))
    config = {
        "audio": {"sample_rate": SAMPLE_RATE_HZ, "quality": "synthetic"},
        "espeak": {"voice": "en-us"},
        "phoneme_type": "espeak",
        "language": {
            "code": "en_US",
            "family": "en",
            "region": "US",
            "name_native": "English",
            "name_english": "English",
            "country_english": "United States",
        },
        "dataset": "espeak-ng-synthetic",
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "num_symbols": PHONEME_IDS,
        "num_speakers": 1,
        "speaker_id_map": {},
        "hop_length": HOP,
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
        "piper_version": "1.8.0",
    }
    (folder / "voice.onnx.json").write_text(json.dumps(config, ensure_ascii=False, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, default=Path("build/text/train.txt"))
    parser.add_argument("--out", type=Path, default=Path("build/voice"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--utterances", type=int, default=4000)
    parser.add_argument("--voice", default="en-us")
    parser.add_argument("--rate", type=int, default=165, help="words a minute")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--init", help="checkpoint to continue from")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    lines = arguments.text.read_text().splitlines()
    utterances = make_utterances(
        lines, arguments.utterances, DEFAULT_PHONEME_ID_MAP, arguments.voice, arguments.rate
    )
    voice = train(utterances, arguments.minutes, arguments.learning_rate, arguments.init)
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.save(voice.state_dict(), arguments.out / "voice.pt")
    export(voice, arguments.out)


if __name__ == "__main__":
    main()
