"""The shipped files are found in a wheel and in a checkout, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_local.data_files import data_folder
from aura_local.errors import ConfigurationError


@pytest.fixture
def package(tmp_path: Path) -> Path:
    package = tmp_path / "aura_local"
    package.mkdir()
    return package


def test_checkout_folder_is_found(package: Path) -> None:
    (package.parent / "pyproject.toml").touch()
    (package.parent / "voices").mkdir()
    assert data_folder("voices", package_folder=package) == package.parent / "voices"


def test_installed_folder_is_preferred_to_the_checkout(package: Path) -> None:
    (package.parent / "pyproject.toml").touch()
    (package.parent / "models").mkdir()
    (package / "data" / "models").mkdir(parents=True)
    assert data_folder("models", package_folder=package) == package / "data" / "models"


def test_a_neighbour_in_site_packages_is_not_ours(package: Path) -> None:
    (package.parent / "models").mkdir()
    with pytest.raises(ConfigurationError, match="folder 'models' that belongs to AURA Local is missing"):
        data_folder("models", package_folder=package)


def test_a_missing_folder_names_what_to_do(package: Path) -> None:
    (package.parent / "pyproject.toml").touch()
    with pytest.raises(ConfigurationError, match="reinstall with `pip install"):
        data_folder("ui", package_folder=package)


def test_this_installation_has_both_catalogues() -> None:
    assert (data_folder("models") / "catalogue.toml").is_file()
    assert (data_folder("voices") / "catalogue.toml").is_file()
