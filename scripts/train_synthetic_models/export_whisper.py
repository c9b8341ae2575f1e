"""Convert the trained recogniser to a CTranslate2 folder that faster-whisper loads.

python export_whisper.py --checkpoint build/recogniser.pt --out build/whisper-synthetic-tiny
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from ctranslate2.converters.transformers import WhisperLoader
from tokenizers import Tokenizer
from tokens import Tokens
from transformers import WhisperConfig, WhisperForConditionalGeneration
from whisper_model import POSITIONS, TEXT_POSITIONS, WINDOW, Shape


def load_checkpoint(path: Path, tokens: Tokens, shape: Shape) -> WhisperForConditionalGeneration:
    """The trained parameters in transformers' own model, which the converter reads."""
    end = tokens.end_of_text
    config = WhisperConfig(
        vocab_size=tokens.count,
        num_mel_bins=shape.mel_bands,
        d_model=shape.width,
        max_source_positions=POSITIONS,
        max_target_positions=TEXT_POSITIONS,
        encoder_layers=shape.encoder_layers,
        encoder_attention_heads=shape.heads,
        encoder_ffn_dim=shape.encoder_inner,
        decoder_layers=shape.decoder_layers,
        decoder_attention_heads=shape.heads,
        decoder_ffn_dim=shape.decoder_inner,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=tokens.start,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    model = WhisperForConditionalGeneration(config)
    # The phoneme head and the table of phonemes served training only.
    state = {
        "model." + name: value
        for name, value in torch.load(path).items()
        if name.startswith(("encoder.", "decoder."))
    }
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert set(missing) <= {"proj_out.weight"}, missing
    model.tie_weights()
    assert torch.equal(model.proj_out.weight, model.model.decoder.embed_tokens.weight)
    return model.eval()


def preprocessor_config(shape: Shape) -> dict[str, object]:
    """What faster-whisper's feature extractor reads: the model's window is 10 s."""
    return {
        "chunk_length": WINDOW // 50,
        "feature_size": shape.mel_bands,
        "hop_length": 160,
        "n_fft": 400,
        "sampling_rate": 16000,
        "feature_extractor_type": "WhisperFeatureExtractor",
        "n_samples": WINDOW * 320,
        "nb_max_frames": WINDOW * 2,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("build/recogniser.pt"))
    parser.add_argument("--tokenizer", default="build/tokenizer.json")
    parser.add_argument("--out", type=Path, default=Path("build/whisper-synthetic-tiny"))
    parser.add_argument("--quantization", default="int8")
    arguments = parser.parse_args()
    tokenizer, shape = Tokenizer.from_file(arguments.tokenizer), Shape()
    tokens = Tokens(tokenizer)
    spec = WhisperLoader().get_model_spec(load_checkpoint(arguments.checkpoint, tokens, shape))
    numbers = tokenizer.get_vocab(with_added_tokens=True)
    vocabulary = sorted(numbers, key=numbers.__getitem__)
    assert len(vocabulary) == tokens.count
    spec.register_vocabulary(vocabulary)
    # OpenAI's models forbid <|endoftext|> as the first token; here silence gives an empty text directly.
    spec.config.suppress_ids_begin = []
    spec.config.suppress_ids = [
        tokenizer.token_to_id(""),
        tokens.start,
        tokens.translate,
        tokens.transcribe,
        tokens.start_of_lm,
        tokens.previous,
        tokens.no_speech,
    ]
    spec.config.lang_ids = sorted(tokens.languages)
    # The heads that training supervised.
    spec.config.alignment_heads = [[layer, head] for layer in range(shape.decoder_layers) for head in (0, 1)]
    spec.validate()
    spec.optimize(quantization=arguments.quantization)
    arguments.out.mkdir(parents=True, exist_ok=True)
    spec.save(str(arguments.out))
    shutil.copy(arguments.tokenizer, arguments.out / "tokenizer.json")
    config = json.dumps(preprocessor_config(shape), indent=1)
    (arguments.out / "preprocessor_config.json").write_text(config)
    print({file.name: file.stat().st_size for file in sorted(arguments.out.iterdir())})


if __name__ == "__main__":
    main()
