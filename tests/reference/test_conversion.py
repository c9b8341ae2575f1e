"""What `aura models convert` makes means what the original means in transformers on torch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anyio import to_thread

from aura_local.adapters import minilm_embedder, whisper_transcriber
from aura_local.adapters.registry import AdapterContext
from aura_local.catalogue.known_models import known_store
from aura_local.cores import CoreBudget
from aura_local.data_files import data_folder
from tests.commands.invoking import Aura
from tests.contract.models import CALLER, MINILM, folder_context
from tests.reference.test_minilm import museum_questions, reference_folder

pytestmark = [pytest.mark.torch, pytest.mark.engines, pytest.mark.anyio]

TOKENIZER = data_folder("models") / "whisper-synthetic-tiny" / "tokenizer.json"
WORDS = 2389
LEAST_COSINE = 0.995


@pytest.fixture
def aura(tmp_path: Path) -> Aura:
    return Aura(tmp_path)


async def converted(aura: Aura, folder: Path, *options: str) -> dict[str, Any]:
    arguments = ("models", "convert", str(folder), "--name", "made", *options)
    said: dict[str, Any] = await to_thread.run_sync(lambda: aura.json(*arguments))
    return said


def installed(aura: Aura) -> AdapterContext:
    """The model as the engine room would hand it out: proved."""
    store = known_store(aura.home)
    proved = store.verify(store.entry("made"))
    return AdapterContext(model="made", budget=CoreBudget(2), files=proved.files)


def save_whisper(folder: Path, bands: int) -> Any:
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    torch.manual_seed(5)
    few = {
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
    }
    ends = {"pad_token_id": 780, "bos_token_id": 780, "eos_token_id": 780, "decoder_start_token_id": 781}
    config = WhisperConfig(
        vocab_size=WORDS,
        num_mel_bins=bands,
        d_model=32,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        begin_suppress_tokens=[780],
        **few,
        **ends,
    )
    model = WhisperForConditionalGeneration(config).eval()
    model.save_pretrained(folder)
    shutil.copyfile(TOKENIZER, folder / "tokenizer.json")
    return model


@pytest.mark.parametrize("bands", [80, 128])
async def test_a_whisper_is_converted_and_hears(aura: Aura, tmp_path: Path, bands: int) -> None:
    import ctranslate2
    import torch

    model = save_whisper(tmp_path / "acft-whisper-tiny", bands)
    said = await converted(
        aura, tmp_path / "acft-whisper-tiny", "--quantization", "float32", "--dynamic-window"
    )
    assert (said["job"], said["engine"], said["dynamic_window"]) == ("speech_to_text", "whisper", True)
    given = installed(aura)
    assert json.loads(given.file("preprocessor_config.json").read_text())["feature_size"] == bands
    # Nobody wrote down which words are languages; they are found in the tokenizer.
    assert len(json.loads(given.file("config.json").read_text())["lang_ids"]) == 100

    features = np.random.default_rng(1).standard_normal((1, bands, 3000)).astype(np.float32)
    with torch.no_grad():
        expected = model.model.encoder(torch.from_numpy(features)).last_hidden_state.numpy()
    bare = ctranslate2.models.Whisper(str(given.folder), device="cpu", compute_type="float32")
    encoded = np.asarray(bare.encode(ctranslate2.StorageView.from_array(features)))
    np.testing.assert_allclose(encoded, expected, atol=2e-4)

    engine = await to_thread.run_sync(whisper_transcriber.open_adapter, given)
    noise = (0.1 * features[0, 0]).repeat(8)
    heard = await engine.transcribe(noise, language="en", caller=CALLER)
    await engine.close()
    assert isinstance(heard.text, str)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
async def test_a_bert_is_converted_and_means_the_same(aura: Aura, tmp_path: Path, pooling: str) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel

    torch.manual_seed(5)
    folder = tmp_path / "bert"
    config = BertConfig(
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    BertModel(config).eval().save_pretrained(folder)
    shutil.copyfile(MINILM / "tokenizer.json", folder / "tokenizer.json")
    for name in ("modules.json", "tokenizer_config.json"):
        shutil.copyfile(reference_folder() / name, folder / name)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 64}')
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps(
            {
                "word_embedding_dimension": 32,
                "pooling_mode_cls_token": pooling == "cls",
                "pooling_mode_mean_tokens": pooling == "mean",
            }
        )
    )
    texts = museum_questions()[:20]
    reference = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    expected = reference.encode(texts, normalize_embeddings=True)

    said = await converted(aura, folder)
    assert (said["job"], said["engine"]) == ("embedder", "minilm")
    engine = await to_thread.run_sync(minilm_embedder.open_adapter, installed(aura))
    vectors = await engine.embed(texts, caller=CALLER)
    await engine.close()
    assert (engine.dimensions, engine.window_tokens) == (32, 64)
    cosines = vectors @ expected.T
    assert np.diagonal(cosines).min() >= LEAST_COSINE
    # Unlike texts would not pass, so nearness says something; random weights tell them apart a little.
    assert np.median(cosines) < LEAST_COSINE - 0.01


async def test_minilm_converted_here_is_the_one_that_ships(aura: Aura) -> None:
    await converted(aura, reference_folder())
    ours = await to_thread.run_sync(minilm_embedder.open_adapter, installed(aura))
    shipped = await to_thread.run_sync(minilm_embedder.open_adapter, folder_context(MINILM))
    texts = museum_questions()[:20]
    one, other = await ours.embed(texts, caller=CALLER), await shipped.embed(texts, caller=CALLER)
    await ours.close()
    await shipped.close()
    assert (one * other).sum(axis=1).min() >= LEAST_COSINE
    assert ours.window_tokens == shipped.window_tokens == 256
    assert {path.name for path in (aura.home / "models").iterdir()} <= {"made", ".lock", ".staging"}


async def test_missing_weights_are_not_made_up(aura: Aura, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    save_whisper(tmp_path / "whisper", 80)
    weights = load_file(tmp_path / "whisper" / "model.safetensors")
    del weights["model.encoder.conv1.weight"]
    save_file(weights, tmp_path / "whisper" / "model.safetensors", {"format": "pt"})

    def refused() -> str:
        return aura("models", "convert", str(tmp_path / "whisper"), code=1).stderr

    message = await to_thread.run_sync(refused)
    assert "cannot be converted: 1 of its weights are missing" in message
    assert not list((aura.home / "models").glob("[!.]*"))
    assert not list((aura.home / "models").glob(".converting-*"))
