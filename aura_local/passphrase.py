"""Where the passphrase of the master key comes from: a file, or a person at the terminal. Layer 4."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aura_local.errors import InvalidRequest, KeyUnavailable

if TYPE_CHECKING:
    from aura_local.data_home import AskPassphrase
    from aura_local.settings import Settings

PASSPHRASE_FILE: Final = "AURA_PASSPHRASE_FILE"  # noqa: S105 - a name, no passphrase
"""Variable that names a file with the passphrase, for starts without a terminal."""

_LONGEST_BYTES: Final = 4096


def passphrase_for(settings: Settings) -> AskPassphrase | None:
    """What `open_data_home` and `Engine.open` take; None where the master key is in a file.

    Asks at once, on the thread of the caller: only the main thread can be interrupted with Control-C. On
    the very first start the passphrase is a new one. Raises like `ask_passphrase` and `ask_new_passphrase`.
    """
    from aura_local.storage.keys import PLATFORM_DATABASE, pending_path
    from aura_local.storage.sealed_key import SEALED_FILE

    if settings.master_key_source == "file":
        return None
    sealed = settings.home / SEALED_FILE
    there = (sealed, pending_path(sealed), settings.home / PLATFORM_DATABASE)
    words = ask_passphrase() if any(path.exists() for path in there) else ask_new_passphrase()
    return lambda: words


def ask_passphrase(question: str = "Passphrase of the master key: ") -> str:
    """From the file that AURA_PASSPHRASE_FILE names, or typed in unseen.

    Raises `KeyUnavailable` where there is neither a file that can be used nor a terminal.
    """
    named = os.environ.get(PASSPHRASE_FILE)
    return read_passphrase(Path(named)) if named else _typed(question)


def ask_new_passphrase() -> str:
    """A passphrase that nothing is sealed with yet: like `ask_passphrase`, but typed in twice.

    Raises `InvalidRequest` for one that is too short or was not typed in the same way again, and like
    `ask_passphrase`.
    """
    named = os.environ.get(PASSPHRASE_FILE)
    return ask_another_passphrase(Path(named) if named else None)


def ask_another_passphrase(file: Path | None) -> str:
    """Like `ask_new_passphrase`, where AURA_PASSPHRASE_FILE names the one of before."""
    from aura_local.storage.sealed_key import SHORTEST_PASSPHRASE_CHARACTERS

    words = read_passphrase(file) if file else _typed("New passphrase of the master key: ")
    if len(words) < SHORTEST_PASSPHRASE_CHARACTERS:
        raise InvalidRequest(f"A passphrase has at least {SHORTEST_PASSPHRASE_CHARACTERS} characters.")
    if file is None and _typed("The same again: ") != words:
        raise InvalidRequest("The two passphrases differ; nothing has been changed.")
    return words


def read_passphrase(path: Path) -> str:
    """The content of a file without the line's end.

    Raises `KeyUnavailable`, also for a file that others may read.
    """
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise KeyUnavailable(
                    f"The passphrase file {path} can be read by other users: run chmod 600 on it."
                )
            content = file.read(_LONGEST_BYTES + 1)
        if len(content) > _LONGEST_BYTES:
            raise KeyUnavailable(f"The passphrase file {path} is longer than any passphrase.")
        return content.decode().removesuffix("\n").removesuffix("\r")
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise KeyUnavailable(f"The passphrase file {path} cannot be read: {reason}.") from error
    except UnicodeDecodeError as error:
        raise KeyUnavailable(f"The passphrase file {path} does not hold text in UTF-8.") from error


def _typed(question: str) -> str:
    if not sys.stdin.isatty():
        raise KeyUnavailable(
            f"The master key is behind a passphrase: set {PASSPHRASE_FILE} to a file that holds it, or "
            "start AURA Local at a terminal that can ask for it."
        )
    try:
        with interruptible():
            return getpass(question)
    except EOFError as error:
        raise KeyUnavailable("No passphrase was given.") from error


@contextmanager
def interruptible() -> Iterator[None]:
    """asyncio answers the first Control-C by cancelling a task, which cannot be while it asks a person."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier)
