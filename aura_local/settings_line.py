"""Changes one line of aura.toml and leaves every other as it is, comments included. Layer 4."""

from __future__ import annotations

import os
import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from aura_local.errors import InvalidRequest
from aura_local.storage.durable_files import make_private_folder, sync_folder
from aura_local.storage.sqlite_errors import file_errors_translated

_HEADER: Final = re.compile(r"\s*\[")


def write_setting(path: Path, section: str, name: str, value: str) -> None:
    """Set `name` in `[section]` to a text, in place; the file is made where it is missing.

    Raises `InvalidRequest` with the line to write by hand where the file is laid out in a way that one line
    cannot change, and `StorageUnavailable`.
    """
    real = path.resolve()
    with file_errors_translated(real):
        text = real.read_text(encoding="utf-8") if real.is_file() else ""
        changed = with_setting(text, section, name, value)
        if changed is None:
            raise InvalidRequest(
                f'{path} cannot be changed here: write {name} = "{value}" under [{section}].'
            )
        make_private_folder(real.parent)
        new = real.with_name(f".{real.name}.new")
        with open(new, "w", encoding="utf-8") as file:
            if real.is_file():
                _as_before(file.fileno(), real.stat())
            file.write(changed)
            file.flush()
            os.fsync(file.fileno())
        new.replace(real)
        sync_folder(real.parent)


def _as_before(descriptor: int, status: os.stat_result) -> None:
    """The file's mode, and its owner where one may give files away: the superuser may have asked."""
    with suppress(PermissionError):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, status.st_mode & 0o777)


def with_setting(text: str, section: str, name: str, value: str) -> str | None:
    """The text with the setting changed; None where no line can be changed so that nothing else does."""
    lines = text.splitlines()
    line = f'{name} = "{value}"'
    header = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]\s*(#.*)?")
    setting = re.compile(rf"(\s*{re.escape(name)}\s*=\s*)(\"[^\"]*\"|'[^']*')(\s*(#.*)?)")
    begin = next((place for place, found in enumerate(lines) if header.fullmatch(found)), None)
    if begin is None:
        lines += ([""] if lines else []) + [f"[{section}]", line]
    else:
        after = range(begin + 1, len(lines))
        end = next((place for place in after if _HEADER.match(lines[place])), len(lines))
        for place in range(begin + 1, end):
            found = setting.fullmatch(lines[place])
            if found is not None:
                lines[place] = f'{found[1]}"{value}"{found[3]}'
                break
        else:
            lines.insert(begin + 1, line)
    changed = "\n".join(lines) + "\n"
    # The proof that the layout was understood: the file says what it said, and this.
    before = _values(text)
    expected = None if before is None else _with(before, section, name, value)
    return changed if expected is not None and _values(changed) == expected else None


def _values(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _with(values: dict[str, Any], section: str, name: str, value: str) -> dict[str, Any]:
    return values | {section: {**values.get(section, {}), name: value}}
