"""`aura talk --server`, as far as it goes without a sound card; the rest: tests/test_desktop_remote.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.commands.server_key import server_key
from aura_local.errors import ConfigurationError
from tests.commands.invoking import Aura

HERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--server", HERE, "--wake-phrase", "hello aura"), "--wake-phrase"),
        (("--server", HERE, "--tenant", "Town Hall"), "--tenant"),
        (("--key-file", "key"), "--key-file"),
        (("--server", "http://192.168.1.20:8765"), "unencrypted"),
        (("--server", "127.0.0.1:8765"), "takes an address such as"),
    ],
)
def test_wrong_options_are_told(aura: Aura, arguments: tuple[str, ...], reason: str) -> None:
    assert reason in aura("talk", *arguments, code=2).stderr
    assert not aura.home.exists()


def test_without_a_key_it_says_where_one_is_taken_from(aura: Aura, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AURA_KEY", raising=False)
    refused = aura("talk", "--server", HERE, code=1)
    assert "set AURA_KEY, or name a file that holds it with --key-file" in refused.stderr


def test_a_file_goes_before_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text("aura_file\n", encoding="utf-8")
    monkeypatch.setenv("AURA_KEY", "aura_variable")
    assert server_key(file) == "aura_file"
    assert server_key(None) == "aura_variable"


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\xff\xfe", b"a" * 600, b"two\nlines", "schlüssel".encode()]
)
def test_a_file_without_a_key_is_refused_and_not_repeated(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="holds no API key") as caught:
        server_key(file)
    assert content.strip() not in str(caught.value).encode() or not content.strip()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        server_key(tmp_path / "nowhere")
