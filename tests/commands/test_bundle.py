"""`aura bundle`: from a key to models in another data folder, with made-up wheels."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from aura_local import __version__
from aura_local.bundle.contents import profile_models
from aura_local.bundle.wheels import checkout_folder
from aura_local.catalogue.manifest import shipped_catalogues
from aura_local.catalogue.store import ModelStore
from aura_local.errors import ConfigurationError, ModelMissing
from tests.bundle.made_bundles import PUBLIC as MADE_BY
from tests.bundle.made_bundles import SERIAL, head, make
from tests.commands.invoking import Aura


def wheel(folder: Path, name: str, version: str, terms: str) -> None:
    stem = f"{name.replace('-', '_')}-{version}"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: {terms}\n"
        archive.writestr(f"{stem}.dist-info/METADATA", metadata)
        archive.writestr(f"{stem}.dist-info/licenses/LICENSE", f"The terms of {name}.")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "aura-local", __version__, "Apache-2.0")
    wheel(folder, "piper-tts", "1.8.0", "GPL-3.0-or-later")
    return folder


def test_key_create_verify(aura: Aura, wheels: Path, tmp_path: Path) -> None:
    made = aura.json("bundle", "key")
    assert Path(made["file"]).stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in json.dumps(made)
    bundle = tmp_path / "a.bundle"
    create = ("bundle", "create", "--profile", "demo", "--wheels", str(wheels), "-o", str(bundle))
    facts = aura.json(*create)
    assert facts["fingerprint"] == made["fingerprint"]
    found = aura.json("bundle", "verify", str(bundle), "--key", made["public_key"])
    assert found["trusted"]
    content = bundle.read_bytes()
    assert b"CycloneDX" in content
    assert b"The terms of piper-tts." in content
    assert b'"piper-tts 1.8.0":"GPL-3.0-or-later"' in content
    assert (checkout_folder() / "models" / "profiles.toml").read_bytes() in content
    assert (checkout_folder() / "docs" / "bundle.md").read_bytes() in content
    delta = tmp_path / "d.bundle"
    aura(*create[:-1], str(delta), "--since", str(bundle))
    assert delta.stat().st_size < len(content) / 4
    bundle.write_bytes(content.replace(b"The terms of piper-tts.", b"No terms of piper-tts.."))
    problem = aura.json("bundle", "verify", str(bundle), code=1)["error"]
    assert problem["code"] == "bundle_damaged"
    assert "licences/piper-tts-1.8.0/LICENSE" in problem["message"]


def test_a_signing_key_is_never_replaced_and_asked_for_where_it_lacks(
    aura: Aura, wheels: Path, tmp_path: Path
) -> None:
    create = ("bundle", "create", "--profile", "demo", "--wheels", str(wheels), "-o", str(tmp_path / "b"))
    assert "aura bundle key" in aura.json(*create, code=1)["error"]["message"]
    made = aura.json("bundle", "key")
    before = Path(made["file"]).read_bytes()
    assert aura.json("bundle", "key", code=1)["error"]["code"] == "conflict"
    assert Path(made["file"]).read_bytes() == before
    Path(made["file"]).chmod(0o644)
    assert "chmod 600" in aura.json(*create, code=1)["error"]["message"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--profile", "small"), "aura models pull --profile small"),
        (("--profile", "huge"), "there are demo, tiny"),
        (("--profile", "demo", "--platform", "plan9-mips"), "--wheels"),
    ],
)
def test_what_cannot_be_made_is_told_with_the_way_out(
    more: tuple[str, ...], told: str, aura: Aura, tmp_path: Path
) -> None:
    aura("bundle", "key")
    path = tmp_path / "a.bundle"
    result = aura("bundle", "create", "-o", str(path), *more, "--json", code=3 if "small" in more else 2)
    assert told in json.loads(result.stdout)["error"]["message"]
    assert not path.exists()


def test_models_are_installed_and_the_maker_is_remembered(aura: Aura, tmp_path: Path) -> None:
    from aura_local.bundle.trust import key_text

    first, second = tmp_path / "a.bundle", tmp_path / "b.bundle"
    make(first)
    make(second, about=head(serial=SERIAL + 1))
    refused = aura.json("bundle", "install", str(first), code=1)["error"]
    assert refused["code"] == "bundle_not_trusted"
    installed = aura.json("bundle", "install", str(first), "--key", key_text(MADE_BY))
    assert installed["installed"] == ["ear", "voice-a"]
    assert (aura.home / "models" / "ear" / "en" / "model.bin").is_file()
    assert aura.json("bundle", "install", str(second))["installed"] == []
    assert aura.json("bundle", "install", str(first), code=1)["error"]["code"] == "bundle_older"
    aura("bundle", "install", str(first), "--allow-older")


def test_profiles_need_their_models(tmp_path: Path) -> None:
    store = ModelStore(shipped_catalogues(), pulled_folder=tmp_path)
    assert profile_models("demo", store) == ()
    with pytest.raises(ModelMissing, match=r"whisper-tiny\.en"):
        profile_models("tiny", store)
    with pytest.raises(ConfigurationError):
        profile_models("none", store)
