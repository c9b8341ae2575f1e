"""Makes a bundle from this installation: wheels, then everything else, then one signed file. Layer 4."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aura_local
from aura_local.bundle.contents import gather, profile_models
from aura_local.bundle.manifest import Manifest
from aura_local.bundle.reading import Progress, open_bundle
from aura_local.bundle.signing import public_key_of, signature_holds
from aura_local.bundle.suitability import this_platform, this_python
from aura_local.bundle.trust import Trust
from aura_local.bundle.wheels import checkout_folder, make_wheels
from aura_local.bundle.writing import Head, write_bundle
from aura_local.catalogue.known_models import known_store, models_folder_of
from aura_local.errors import ConfigurationError, InvalidRequest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Order:
    """What to make. `platform` None is this machine's; `wheels` None has them made here; `since` names an
    earlier bundle of the same signing key, whose files are not carried again.
    """

    output: Path
    profile: str
    platform: str | None = None
    since: Path | None = None
    wheels: Path | None = None


def create_bundle(
    order: Order,
    home: Path,
    key: Ed25519PrivateKey,
    *,
    tell: Callable[[str], None],
    progress: Progress,
) -> Manifest:
    """Write the bundle and return its manifest. Blocks, for minutes where wheels have to be built.

    Raises `InvalidRequest` for another platform without its wheels, and like `profile_models`,
    `make_wheels`, `gather`, `open_bundle` and `write_bundle`.
    """
    platform = order.platform or this_platform()
    if platform != this_platform() and order.wheels is None:
        raise InvalidRequest(
            f"Wheels for {platform} cannot be made on {this_platform()}: run this on such a machine, or name "
            "a folder with its wheels by --wheels."
        )
    if not order.output.absolute().parent.is_dir():
        raise InvalidRequest(f"The folder of {order.output} does not exist.")
    store = known_store(home)
    models = profile_models(order.profile, store)
    base = None if order.since is None else _base(order.since, public_key_of(key))
    serial = int(time.time())
    with tempfile.TemporaryDirectory(prefix="aura-bundle-") as scratch:
        wheels, checkout = order.wheels, _checkout()
        if wheels is None:
            wheels = Path(scratch)
            make_wheels(checkout_folder(), wheels, tell=tell)
        ingredients, licences = gather(
            wheels,
            models,
            store,
            models_folder_of(home),
            checkout,
            version=aura_local.__version__,
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(serial)),
        )
        head = Head(aura_local.__version__, serial, platform, this_python(), order.profile, licences)
        return write_bundle(order.output, head, ingredients, key, base=base, progress=progress)


def _checkout() -> Path | None:
    try:
        return checkout_folder()
    except ConfigurationError:
        return None


def _base(path: Path, public_key: bytes) -> tuple[str, Manifest]:
    """Digest and content of an earlier bundle's manifest."""
    with open_bundle(path, Trust(public_key), holds=signature_holds) as bundle:
        return bundle.manifest_sha256, bundle.manifest
