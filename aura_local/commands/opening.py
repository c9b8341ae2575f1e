"""Opens the data folder for a command, asking for the passphrase where the master key is behind one."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aura_local.data_home import DataHome
    from aura_local.engine import Engine
    from aura_local.settings_sources import LoadedSettings


def open_home(loaded: LoadedSettings, *, alone: bool = False) -> AbstractAsyncContextManager[DataHome]:
    """Storage without engines. Asks at once, and otherwise raises like `open_data_home`."""
    from aura_local.data_home import open_data_home
    from aura_local.passphrase import passphrase_for

    return open_data_home(loaded.values, passphrase_for(loaded.values), alone=alone)


def open_engine(loaded: LoadedSettings) -> AbstractAsyncContextManager[Engine]:
    """Storage and engines. Asks at once, and otherwise raises like `Engine.open`."""
    from aura_local.engine import Engine
    from aura_local.passphrase import passphrase_for

    return Engine.open(loaded, passphrase=passphrase_for(loaded.values))
