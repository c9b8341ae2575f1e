"""Where the files that ship beside the code are: models, voices, knowledge and the interface. Layer 0.

A wheel carries them inside the package (`aura_local/data/<kind>`); a checkout keeps them in top-level
folders, and an editable install does not see the files that a wheel would carry. This is the one place
that knows the difference.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from aura_local.errors import ConfigurationError

DataKind = Literal["models", "voices", "knowledge", "ui"]


def data_folder(kind: DataKind, *, package_folder: Path | None = None) -> Path:
    """The folder that holds the shipped files of `kind`; it exists when this returns.

    Prefers what is installed inside the package, else the top-level folder of the checkout around it.
    `package_folder` is the folder of the import package `aura_local`, by default this one's own.
    Raises ConfigurationError when neither exists: the installation is incomplete.
    """
    package = Path(__file__).parent if package_folder is None else package_folder
    installed = package / "data" / kind
    if installed.is_dir():
        return installed
    checkout = package.parent
    # Only a folder with our pyproject.toml is a checkout: in site-packages a neighbour called "models"
    # would be somebody else's package.
    if (checkout / "pyproject.toml").is_file() and (checkout / kind).is_dir():
        return checkout / kind
    raise ConfigurationError(
        f"the folder '{kind}' that belongs to AURA Local is missing: it is neither at {installed} nor in a "
        f"checkout at {checkout / kind}; reinstall with `pip install --force-reinstall --no-deps aura-local`"
    )
