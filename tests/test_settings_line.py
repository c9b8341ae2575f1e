"""One line of aura.toml changes; comments and everything else stay, or nothing is written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from aura_local.errors import InvalidRequest
from aura_local.settings_line import with_setting, write_setting

COMMENTED = """# ours
profile = "auto"

[engines]  # which
# the voice
text_to_speech = 'espeak-ng'  # robotic
cores = 2

[voice]
text_to_speech = "not this one"
"""


def test_a_value_is_replaced_and_its_comment_stays() -> None:
    changed = with_setting(COMMENTED, "engines", "text_to_speech", "piper")
    assert changed == COMMENTED.replace("'espeak-ng'", '"piper"')


def test_a_setting_that_is_not_there_is_put_under_its_header() -> None:
    changed = with_setting(COMMENTED, "engines", "embedder", "minilm")
    assert changed == COMMENTED.replace("# which\n", '# which\nembedder = "minilm"\n')


@pytest.mark.parametrize("text", ["", 'profile = "auto"\n', 'profile = "auto"', "[voice]\n"])
def test_a_header_that_is_not_there_is_added(text: str) -> None:
    changed = with_setting(text, "engines", "embedder", "minilm")
    assert changed is not None
    assert changed.startswith(text)
    assert tomllib.loads(changed) == {**tomllib.loads(text), "engines": {"embedder": "minilm"}}


@pytest.mark.parametrize(
    "text",
    [
        'engines = { embedder = "x" }\n',
        'engines.embedder = "x"\n',
        '[engines]\nembedder = """\nx"""\n',
        'note = """\n[engines]\n"""\n',
        '[engines]\n"embedder" = "x"\n',
    ],
)
def test_a_layout_that_one_line_cannot_change_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "aura.toml"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match=r'write embedder = "minilm" under \[engines\]'):
        write_setting(path, "engines", "embedder", "minilm")
    assert path.read_text() == text


def test_the_files_mode_and_a_link_to_it_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "aura.toml"
    real.write_text(COMMENTED)
    real.chmod(0o640)
    link.symlink_to(real)
    write_setting(link, "engines", "text_to_speech", "piper")
    assert link.is_symlink()
    assert (real.stat().st_mode & 0o777, '"piper"' in real.read_text()) == (0o640, True)
