"""Makes a bundle on a connected machine, saying what it is doing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
import typer

from aura_local.commands.byte_bar import byte_bar
from aura_local.commands.output import print_json

if TYPE_CHECKING:
    from aura_local.bundle.creating import Order
    from aura_local.bundle.manifest import Manifest
    from aura_local.settings import Settings


async def make_bundle(settings: Settings, order: Order, signing_key: Path | None, *, as_json: bool) -> None:
    """Make what is ordered and tell its size, its maker and the command for the other machine.

    Raises like `load_signing_key` and `create_bundle`.
    """
    from aura_local.bundle.creating import create_bundle
    from aura_local.bundle.signing import KEY_FILE, load_signing_key, public_key_of
    from aura_local.bundle.trust import fingerprint, key_text

    key = load_signing_key(signing_key or settings.master_key_file.parent / KEY_FILE)
    started_s = time.monotonic()
    with byte_bar("writing") as progress:

        def work() -> Manifest:
            return create_bundle(
                order,
                settings.home,
                key,
                tell=lambda line: typer.echo(f"  {line}", err=True),
                progress=progress,
            )

        manifest = await anyio.to_thread.run_sync(work)
    taken_s = time.monotonic() - started_s
    public, size_bytes = public_key_of(key), order.output.stat().st_size
    carried = sum(file.offset is not None for file in manifest.files)
    if as_json:
        print_json(
            {
                "file": str(order.output),
                "bytes": size_bytes,
                "files": len(manifest.files),
                "carried": carried,
                "version": manifest.version,
                "seconds": round(taken_s, 1),
                "public_key": key_text(public),
                "fingerprint": fingerprint(public),
            }
        )
        return
    amount = f"{size_bytes / 1e6:,.1f} MB, {carried} of {len(manifest.files)} files"
    print(f"{order.output}: {amount}, {taken_s:.0f} s")
    print(f"public key   {key_text(public)}\nfingerprint  {fingerprint(public)}")
    print(f"On the other machine: python3 {order.output.name} install --to FOLDER --key {key_text(public)}")
