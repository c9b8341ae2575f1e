"""A tiny Whisper whose parameters are named as in transformers' WhisperForConditionalGeneration.

faster-whisper always zero-pads its features to 3000 frames, i.e. 1500 encoder positions. Positions from
WINDOW on share one constant position vector here, so all of that padding is identical through the whole
encoder: it is computed as ONE token whose attention logit carries +log(count). The padding inside the
window is estimated by a few sampled positions weighted the same way. Training thus costs only what the
speech costs, and still matches what the exported model sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from tokens import Tokens
from torch import Tensor, nn
from torch.nn import functional

POSITIONS = 1500  # of the encoder, 20 ms each
WINDOW = 500  # positions that can hold speech
TEXT_POSITIONS = 448
PHONEMES = 160


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of the network."""

    width: int = 192
    heads: int = 4
    encoder_layers: int = 3
    encoder_inner: int = 768
    decoder_layers: int = 2
    decoder_inner: int = 512
    mel_bands: int = 80


def sinusoids(length: int, width: int) -> Tensor:
    inverse = torch.exp(-math.log(10000) / (width // 2 - 1) * torch.arange(width // 2))
    phase = torch.arange(length)[:, None] * inverse[None]
    return torch.cat([phase.sin(), phase.cos()], 1)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(3))

    def forward(self, states: Tensor, bias: Tensor | None = None, *, causal: bool = False) -> Tensor:
        """Attention of `states` [batch, length, width] to themselves; `bias` is added to the keys' logits."""
        query, key, value = self._project(states, states)
        if bias is not None:
            bias = bias.to(query.dtype).expand(1, 1, query.shape[2], -1)
        out = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, is_causal=causal)
        return self.out_proj(out.transpose(1, 2).flatten(2))

    def attend(self, states: Tensor, memory: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Attention to `memory`, and the weights of the first two heads, which training supervises."""
        query, key, value = self._project(states, memory)
        weights = (query @ key.transpose(2, 3) / math.sqrt(query.shape[-1]) + bias).float().softmax(-1)
        return self.out_proj((weights.to(value.dtype) @ value).transpose(1, 2).flatten(2)), weights[:, :2]

    def _project(self, states: Tensor, memory: Tensor) -> list[Tensor]:
        projected = (self.q_proj(states), self.k_proj(memory), self.v_proj(memory))
        return [p.view(p.shape[0], p.shape[1], self.heads, -1).transpose(1, 2) for p in projected]


class EncoderLayer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn, self.self_attn_layer_norm = Attention(width, heads), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        states = states + self.self_attn(self.self_attn_layer_norm(states), bias)
        return states + self.fc2(functional.gelu(self.fc1(self.final_layer_norm(states))))


class DecoderLayer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn, self.self_attn_layer_norm = Attention(width, heads), nn.LayerNorm(width)
        self.encoder_attn, self.encoder_attn_layer_norm = Attention(width, heads), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, states: Tensor, memory: Tensor, memory_bias: Tensor) -> tuple[Tensor, Tensor]:
        states = states + self.self_attn(self.self_attn_layer_norm(states), causal=True)
        heard, weights = self.encoder_attn.attend(self.encoder_attn_layer_norm(states), memory, memory_bias)
        states = states + heard
        return states + self.fc2(functional.gelu(self.fc1(self.final_layer_norm(states)))), weights


class Encoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.conv1 = nn.Conv1d(shape.mel_bands, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        positions = sinusoids(POSITIONS, width)
        positions[WINDOW:] = 0
        self.embed_positions = nn.Embedding(POSITIONS, width, _weight=positions)
        self.embed_positions.weight.requires_grad_(False)
        self.layers = nn.ModuleList(
            EncoderLayer(width, shape.heads, shape.encoder_inner) for _ in range(shape.encoder_layers)
        )
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, mel: Tensor, samples: int = 6, lead: int = 0) -> tuple[Tensor, Tensor, int]:
        """States (those of `mel` first), the logit bias of every state as a key, and how many are of `mel`.

        `mel` is [batch, 80, frames]; frames are even and end in at least 4 zero ones. `lead` silent positions
        are put before it: its positions move, and the silence itself is estimated from `samples` of its
        positions, like the padding after it.
        """
        positions = self.embed_positions.weight
        estimates: list[Tensor] = []
        biases: list[Tensor] = []

        def estimate(state: Tensor, first: int, last: int) -> None:
            count = min(samples, last - first)
            if count > 0:
                index = first + torch.randperm(last - first)[:count]
                estimates.append((state + positions[index][None]).expand(mel.shape[0], -1, -1))
                biases.append(mel.new_full((count,), math.log((last - first) / count)))

        if lead:
            # What digital silence looks like after Whisper's normalisation.
            floor = (mel.amax((1, 2), keepdim=True) - 2).expand(-1, mel.shape[1], 12)
            states = self._convolve(torch.cat([floor[:, :, :4], mel], 2))[:, 2:-1]
            estimate(self._convolve(floor)[:, 2:3], 0, lead)
        else:
            states = self._convolve(mel)[:, :-1]
        length = states.shape[1]
        padding = self._convolve(mel.new_zeros(1, mel.shape[1], 12))[:, 2:3]
        estimate(padding, lead + length, WINDOW)
        estimates.append((padding + positions[WINDOW : WINDOW + 1][None]).expand(mel.shape[0], -1, -1))
        biases.append(mel.new_full((1,), math.log(POSITIONS - WINDOW)))
        states = torch.cat([states + positions[lead : lead + length], *estimates], 1)
        bias = torch.cat([mel.new_zeros(length), *biases])[None, None, None]
        for layer in self.layers:
            states = layer(states, bias)
        return self.layer_norm(states), bias, length

    def _convolve(self, mel: Tensor) -> Tensor:
        return functional.gelu(self.conv2(functional.gelu(self.conv1(mel)))).transpose(1, 2)


class Decoder(nn.Module):
    def __init__(self, shape: Shape, vocabulary: int) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, shape.width)
        nn.init.normal_(self.embed_tokens.weight, std=0.03)
        positions = sinusoids(TEXT_POSITIONS, shape.width) * 0.05
        self.embed_positions = nn.Embedding(TEXT_POSITIONS, shape.width, _weight=positions)
        self.layers = nn.ModuleList(
            DecoderLayer(shape.width, shape.heads, shape.decoder_inner) for _ in range(shape.decoder_layers)
        )
        self.layer_norm = nn.LayerNorm(shape.width)

    def forward(self, tokens: Tensor, memory: Tensor, bias: Tensor) -> tuple[Tensor, list[Tensor]]:
        """States of the tokens, and each layer's supervised attention weights."""
        states = self.embed_tokens(tokens) + self.embed_positions.weight[: tokens.shape[1]]
        maps = []
        for layer in self.layers:
            states, weights = layer(states, memory, bias)
            maps.append(weights)
        return self.layer_norm(states), maps


class Recogniser(nn.Module):
    def __init__(self, vocabulary: int, shape: Shape | None = None) -> None:
        super().__init__()
        shape = shape or Shape()
        self.encoder, self.decoder = Encoder(shape), Decoder(shape, vocabulary)
        self.phones = nn.Linear(shape.width, PHONEMES)  # for training only

    def logits(self, states: Tensor) -> Tensor:
        return states @ self.decoder.embed_tokens.weight.T

    @torch.no_grad()
    def transcribe(self, tokens: Tokens, features: list[Tensor]) -> list[str]:
        """Greedy transcripts of [frames, 80] features of similar length, with training's padding."""
        self.eval()
        frames = (max(map(len, features)) + 7) // 4 * 4
        mel = torch.zeros(len(features), 80, frames)
        for row, feature in enumerate(features):
            mel[row, :, : len(feature)] = feature.T
        start = [tokens.start, tokens.english, tokens.transcribe, tokens.no_timestamps]
        with torch.autocast("cpu", torch.bfloat16):
            memory, bias, _ = self.encoder(mel, samples=12)
            texts = torch.tensor([start] * len(features))
            done = torch.zeros(len(features), dtype=torch.bool)
            for _ in range(40):
                following = self.logits(self.decoder(texts, memory, bias)[0][:, -1]).float().argmax(-1)
                done |= following == tokens.end_of_text
                if done.all():
                    break
                following = torch.where(done, tokens.end_of_text, following)
                texts = torch.cat([texts, following[:, None]], 1)
        self.train()
        return [tokens.decode(text[len(start) :]).strip() for text in texts.tolist()]
