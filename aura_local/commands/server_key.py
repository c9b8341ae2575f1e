"""The key with which `aura talk --server` enters.

Never an argument: those are seen in the list of processes and kept in the shell's history.
"""

from __future__ import annotations

import os
import sys
from getpass import getpass
from pathlib import Path
from typing import Final

from aura_local.errors import AuthenticationFailed, ConfigurationError

VARIABLE: Final = "AURA_KEY"
LONGEST_BYTES: Final = 512
"""The server takes no longer ones."""


def server_key(file: Path | None) -> str:
    """From `file`, else from AURA_KEY, else typed without being shown.

    Raises `ConfigurationError` for a file that cannot be read or holds no key, `AuthenticationFailed` where
    nobody can be asked.
    """
    if file is not None:
        return _checked(_read(file), f"The key file {file}")
    named = os.environ.get(VARIABLE)
    if named:
        return _checked(named, VARIABLE)
    if not sys.stdin.isatty():
        raise AuthenticationFailed(
            f"The server needs an API key: set {VARIABLE}, or name a file that holds it with --key-file."
        )
    from aura_local.passphrase import interruptible

    try:
        with interruptible():
            return _checked(getpass("API key: "), "What was typed")
    except EOFError as error:
        raise AuthenticationFailed("No API key was given.") from error


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(LONGEST_BYTES + 2).decode()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise ConfigurationError(f"The key file {file} cannot be read: {reason}.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"The key file {file} holds no API key.") from error


def _checked(text: str, source: str) -> str:
    key = text.strip()
    if not key or len(key) > LONGEST_BYTES or not key.isascii() or not key.isprintable():
        raise ConfigurationError(f"{source} holds no API key.")
    return key
