"""Every damaged bundle is refused by the name of what is wrong with it, and nothing of it gets a name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aura_local.bundle.ed25519 import signature_holds as by_hand
from aura_local.bundle.manifest import parse_manifest
from aura_local.bundle.models_placing import staged_models
from aura_local.bundle.reading import no_progress, open_bundle
from aura_local.bundle.signing import signature_holds
from aura_local.bundle.trust import Trust
from aura_local.errors import AuraError
from tests.bundle.damages import damages
from tests.bundle.made_bundles import PUBLIC, flip, make, parts


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "a.bundle"
    make(path)
    return path.read_bytes()


def refusal(path: Path, models: Path) -> str | None:
    """What an installation of everything says; None where it succeeds."""
    try:
        with open_bundle(path, Trust(PUBLIC), holds=signature_holds) as bundle:
            bundle.verify()
            with staged_models(bundle, models, no_progress) as staged:
                staged.install(bundle)
    except AuraError as error:
        return error.message
    return None


def test_more_than_sixty_damages_are_refused_by_name(whole: bytes, tmp_path: Path) -> None:
    path, models = tmp_path / "a.bundle", tmp_path / "home" / "models"
    tried = list(damages(whole))
    wrong = []
    for damage in tried:
        path.write_bytes(damage.work(whole))
        message = refusal(path, models)
        if message is None or damage.told not in message or len(message) > 500:
            wrong.append(f"{damage.name}: {message}")
        assert not models.exists(), damage.name
    assert wrong == []
    assert len({damage.name for damage in tried}) == len(tried) > 100


def test_an_undamaged_one_is_taken(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(whole)
    assert refusal(path, tmp_path / "home" / "models") is None
    assert (tmp_path / "home" / "models" / "ear" / "en" / "model.bin").read_bytes() == b"ear " * 300


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(min_value=0, max_value=2**31), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused(whole: bytes, tmp_path: Path, place: int, bit: int) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(flip(place % len(whole), bit)(whole))
    assert refusal(path, tmp_path / "home" / "models") is not None
    assert not (tmp_path / "home" / "models").exists()


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=300))
def test_a_manifest_of_any_bytes_is_a_refusal(content: bytes) -> None:
    with pytest.raises(AuraError):
        parse_manifest(content)


def test_a_file_that_differs_where_others_are_whole_leaves_nothing(whole: bytes, tmp_path: Path) -> None:
    """The last model of three: those before it were copied already."""
    path, models = tmp_path / "a.bundle", tmp_path / "models"
    start = len(whole) - len(parts(whole)[2])
    (last,) = [f for f in parse_manifest(parts(whole)[1]).files if f.name == "models/voice-a/voice.onnx"]
    assert last.offset is not None
    path.write_bytes(flip(start + last.offset)(whole))
    with (
        open_bundle(path, Trust(PUBLIC), holds=by_hand) as bundle,
        pytest.raises(AuraError, match=r"models/voice-a/voice\.onnx"),
        staged_models(bundle, models, no_progress),
    ):
        pytest.fail("a damaged model was staged")
    assert sorted(item.name for item in models.rglob("*")) == [".lock", ".staging"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "absent"])
def test_what_is_no_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        import os

        os.mkfifo(path)
    message = refusal(path, tmp_path / "models")
    assert message is not None
    assert "a.bundle" in message
