"""Gathers what goes into a bundle: wheels, the profile's models, catalogues, documents, terms. Layer 4."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from aura_local.bundle.bill_of_materials import WheelFacts, bill_of_materials, plain_name, wheel_facts
from aura_local.bundle.writing import Ingredient
from aura_local.catalogue.known_models import pin_key
from aura_local.catalogue.manifest import ModelEntry
from aura_local.catalogue.profiles import models_of, shipped_profiles
from aura_local.catalogue.records import Pins, Records
from aura_local.catalogue.sources import HubSource
from aura_local.catalogue.store import ModelStore
from aura_local.data_files import data_folder
from aura_local.errors import ConfigurationError, ModelDamaged, ModelMissing

DEMO: Final = "demo"
"""Has no models of its own: those that ship and those of the extra `starter` are inside the wheels."""


def profile_models(profile: str, store: ModelStore) -> tuple[ModelEntry, ...]:
    """The profile's models that are not in a wheel, each proved to be whole here. Blocks: hashes them.

    Raises `ConfigurationError` for a profile that does not exist, and `ModelMissing` that names all that are
    missing and the command that gets them.
    """
    if profile == DEMO:
        return ()
    if profile not in shipped_profiles():
        known = ", ".join([DEMO, *shipped_profiles()])
        raise ConfigurationError(f"no profile '{profile}' exists; there are {known}")
    downloaded = [entry for entry in models_of(profile, store.entries) if isinstance(entry.source, HubSource)]
    missing = []
    for entry in downloaded:
        try:
            store.verify(entry)
        except (ModelMissing, ModelDamaged):
            missing.append(entry.name)
    if missing:
        raise ModelMissing(
            f"Of the profile {profile}, {', '.join(missing)} are not installed here; get them with: "
            f"aura models pull --profile {profile}"
        )
    return tuple(downloaded)


def gather(
    wheels: Path,
    models: Sequence[ModelEntry],
    store: ModelStore,
    models_folder: Path,
    checkout: Path | None,
    *,
    version: str,
    created: str,
) -> tuple[list[Ingredient], dict[str, str]]:
    """Everything but the bootstrap, and the names of the terms of each component. Blocks.

    `wheels` holds the wheels and nothing else of interest; `checkout` has the documentation, where there is
    one. Raises `ModelMissing` for a folder without the wheel of AURA Local in this version.
    """
    facts = {path: wheel_facts(path) for path in sorted(wheels.glob("*.whl"))}
    own = [found for found in facts.values() if found.name.replace("_", "-") == "aura-local"]
    if [found.version for found in own] != [version]:
        raise ModelMissing(f"{wheels} does not hold the wheel of AURA Local {version}, once.")
    bill = bill_of_materials(list(facts.values()), models, version=version, created=created)
    ingredients = [
        *(Ingredient(f"wheels/{path.name}", "wheel", path) for path in facts),
        *_licences(facts.values()),
        *_model_files(models, store),
        *_records(models, models_folder),
        *_catalogues(),
        *([] if checkout is None else _documentation(checkout)),
        Ingredient("bill_of_materials/cyclonedx.json", "bill_of_materials", bill),
    ]
    terms = {f"{found.name} {found.version}": found.terms for found in facts.values()}
    return ingredients, terms | {f"model {entry.name}": entry.licence for entry in models}


def _licences(wheels: Iterable[WheelFacts]) -> Iterator[Ingredient]:
    for facts in wheels:
        folder = f"licences/{plain_name(f'{facts.name}-{facts.version}')}"
        taken: set[str] = set()
        for name, text in facts.texts.items():
            if name.lower() not in taken:
                taken.add(name.lower())
                yield Ingredient(f"{folder}/{name}", "licence", text)


def _model_files(models: Sequence[ModelEntry], store: ModelStore) -> Iterator[Ingredient]:
    for entry in models:
        for name, path in store.verify(entry).files.items():
            yield Ingredient(f"models/{entry.name}/{name}", "model", path)


def _records(models: Sequence[ModelEntry], folder: Path) -> Iterator[Ingredient]:
    """The rows that are about these models: what a first download was, and terms that were shown."""
    records = Records(folder)
    keys = {
        pin_key(entry.source, file)
        for entry in models
        if isinstance(entry.source, HubSource)
        for file in entry.files
    }
    pins: Pins = {key: pin for key, pin in records.pins().items() if key in keys}
    names = {entry.name for entry in models}
    licences = {name: row for name, row in records.licences().items() if name in names}
    for file, rows in (("pins.json", pins), ("licences.json", licences)):
        if rows:
            value = {name: row.model_dump() for name, row in rows.items()}
            yield Ingredient(f"records/{file}", "record", json.dumps(value, sort_keys=True).encode("utf-8"))


def _catalogues() -> Iterator[Ingredient]:
    for kind in ("models", "voices"):
        for path in sorted(data_folder(kind).glob("*.toml")):
            yield Ingredient(f"catalogues/{kind}/{path.name}", "catalogue", path)


def _documentation(checkout: Path) -> Iterator[Ingredient]:
    pages = [checkout / name for name in ("README.md", "CHANGELOG.md", "LICENSE")]
    pages += sorted(path for path in (checkout / "docs").rglob("*") if path.is_file())
    for path in pages:
        yield Ingredient(f"documentation/{path.relative_to(checkout).as_posix()}", "document", path)
