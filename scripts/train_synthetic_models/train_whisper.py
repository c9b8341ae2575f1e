"""Train the recogniser on stored features.

    python train_whisper.py --features build/features --tokenizer build/tokenizer.json \
        --out build/recogniser_plain.pt --minutes 25 --plain
"""

from __future__ import annotations

import argparse
import math
import random
import time
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokens import Tokens
from torch import Tensor, nn
from torch.nn import functional
from whisper_batches import IGNORED, Batch, Clip, Labeller, Shards
from whisper_model import Recogniser
from word_errors import word_error_rate

CHECKPOINT_EVERY_S = 240


def losses(model: Recogniser, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Cross entropy of the text, of the phonemes, and how much attention misses each token's word."""
    with torch.autocast("cpu", torch.bfloat16):
        memory, bias, length = model.encoder(batch.mel, lead=batch.lead)
        states, maps = model.decoder(batch.inputs, memory, bias)
        kept = batch.targets != IGNORED
        logits = model.logits(states[kept]).float()
        phonemes = model.phones(memory[:, :length]).float()
    text_loss = functional.cross_entropy(logits, batch.targets[kept])
    phoneme_loss = functional.cross_entropy(
        phonemes.flatten(0, 1), batch.phonemes.flatten(), reduction="sum"
    ) / max(1, int((batch.phonemes >= 0).sum()))
    if not batch.spans:
        return text_loss, phoneme_loss, text_loss.new_zeros(())
    row, at, start_s, end_s = (torch.tensor(column) for column in zip(*batch.spans, strict=True))
    time_s = torch.arange(maps[0].shape[-1]) * 0.02 + 0.01
    inside = (time_s >= start_s[:, None] - 0.08) & (time_s <= end_s[:, None] + 0.08)
    inside[:, length:] = False
    missed = [-torch.log((m[row, :, at] * inside[:, None]).sum(-1) + 1e-4).mean() for m in maps]
    return text_loss, phoneme_loss, sum(missed) / len(maps)


def validate(model: Recogniser, tokens: Tokens, clips: list[Clip]) -> float:
    """Word error rate of greedy transcripts."""
    features = [
        torch.from_numpy(np.asarray(shard[first : first + frames], np.float32))
        for shard, first, frames, _ in clips
    ]
    batches = (features[start : start + 20] for start in range(0, len(features), 20))
    heard = list(chain.from_iterable(model.transcribe(tokens, batch) for batch in batches))
    return word_error_rate([" ".join(segment[2] for segment in clip[3]) for clip in clips], heard)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", nargs="+", default=["build/features"])
    parser.add_argument("--valid", type=Path, default=Path("build/valid"))
    parser.add_argument("--text", type=Path, default=Path("build/text/train.txt"))
    parser.add_argument("--tokenizer", default="build/tokenizer.json")
    parser.add_argument("--out", default="build/recogniser.pt")
    parser.add_argument("--init", help="checkpoint to continue from")
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument(
        "--floor", type=float, default=0.0, help="final learning rate as a share of the first"
    )
    parser.add_argument("--plain", action="store_true", help="first phase: clips as they are, none joined")
    parser.add_argument("--joined", type=float, default=0.15, help="share of extra batches of joined clips")
    parser.add_argument("--frames", type=int, default=7000, help="of a batch")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    source = random.Random(0)
    tokens = Tokens(Tokenizer.from_file(arguments.tokenizer))
    shards = Shards(arguments.features, arguments.frames, 0 if arguments.plain else arguments.joined)
    model, table = Recogniser(tokens.count), {}
    if arguments.init:
        state = torch.load(arguments.init)
        table = state.pop("table")
        model.load_state_dict(state)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(shards.clips)} clips", flush=True)
    labeller = Labeller(tokens, source, arguments.text.read_text().splitlines(), table, arguments.plain)
    valid = Shards([str(arguments.valid)]).clips[:120] if arguments.valid.is_dir() else []
    optimizer = torch.optim.AdamW(
        parameters, lr=arguments.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    warm_up_steps = 50 if arguments.init else 250
    start, next_checkpoint_s, history = time.monotonic(), CHECKPOINT_EVERY_S, []
    model.train()
    for step, clips in enumerate(shards.batches(source), 1):
        share = (time.monotonic() - start) / (arguments.minutes * 60)
        if share >= 1:
            break
        cosine = 0.5 * (1 + math.cos(math.pi * share))
        decay = arguments.floor + (1 - arguments.floor) * cosine
        for group in optimizer.param_groups:
            group["lr"] = arguments.learning_rate * min(1, step / warm_up_steps) * decay
        text_loss, phoneme_loss, attention_loss = losses(model, labeller.batch(clips))
        (text_loss + 0.5 * phoneme_loss + 0.3 * attention_loss).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        history.append((text_loss.item(), phoneme_loss.item(), attention_loss.item()))
        passed_s = time.monotonic() - start
        if step % 100 == 0:
            text, phoneme, attention = np.mean(history[-100:], 0)
            print(
                f"step {step} {passed_s:.0f}s text {text:.3f} phoneme {phoneme:.3f} aligned {attention:.3f}",
                flush=True,
            )
        if passed_s > next_checkpoint_s:
            next_checkpoint_s += CHECKPOINT_EVERY_S
            torch.save({**model.state_dict(), "table": table}, arguments.out)
            if valid:
                print(f"  word error rate {validate(model, tokens, valid):.3f}", flush=True)
    torch.save({**model.state_dict(), "table": table}, arguments.out)


if __name__ == "__main__":
    main()
