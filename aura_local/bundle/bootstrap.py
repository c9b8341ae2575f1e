"""What `python3 FILE.bundle` does: verify or install, on a machine that has Python and nothing else. Layer 4.

The bundle's last part is a zip of this module and those that it needs; Python runs it from there. Standard
library and `aura_local.errors` only, as for all that is carried.
"""

# ruff: noqa: T201 -- a program for a terminal, which has no other way to say anything.

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from aura_local.bundle.reading import Bundle, open_bundle
from aura_local.bundle.release import install_release, remembered
from aura_local.bundle.trust import Trust, fingerprint, read_key
from aura_local.errors import AuraError

CARRIED = (
    "__init__",
    "bundle/__init__",
    "errors",
    "bundle/bootstrap",
    "bundle/ed25519",
    "bundle/layout",
    "bundle/manifest",
    "bundle/models_placing",
    "bundle/placing",
    "bundle/reading",
    "bundle/release",
    "bundle/suitability",
    "bundle/trust",
)
"""Modules of `aura_local` in the zip."""


def main(bundle: Path, arguments: Sequence[str]) -> int:
    """Run with the bundle that this was started from; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"python3 {bundle.name}", description="A signed bundle of AURA Local: verify or install it."
    )
    parser.add_argument("action", choices=("verify", "install"))
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where to install")
    parser.add_argument(
        "--key", metavar="PUBLICKEY", help="of the bundle's maker: aura-ed25519:..., or a file"
    )
    parser.add_argument("--trust-fingerprint", metavar="FINGERPRINT", help="instead of --key")
    parser.add_argument("--allow-older", action="store_true", help="go back to an older version")
    asked = parser.parse_args(arguments)
    if asked.action == "install" and asked.to is None:
        parser.error("install needs --to FOLDER")
    try:
        key = None if asked.key is None else read_key(asked.key)
        before = remembered(asked.to) if asked.to is not None else None
        trust = Trust(key, asked.trust_fingerprint, None if before is None else before.public_key)
        anybody = asked.action == "verify" and key is None and asked.trust_fingerprint is None
        with open_bundle(bundle, None if anybody else trust) as opened:
            _describe(opened, trusted=not anybody)
            if asked.action == "verify":
                opened.verify(Meter("verified"))
                print("Every file is as it was signed.")
            else:
                _install(opened, asked.to, allow_older=asked.allow_older)
    except AuraError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; do it again to go on.", file=sys.stderr)
        return 130
    return 0


def _describe(bundle: Bundle, *, trusted: bool) -> None:
    manifest = bundle.manifest
    print(
        f"AURA Local {manifest.version} of {manifest.created}, profile {manifest.profile}, for "
        f"{manifest.platform} and {manifest.python}: {manifest.carried_bytes / 1e6:,.0f} MB"
    )
    whose = "as you asked for" if trusted else "compare that with what its maker told you"
    print(f"Signed by {fingerprint(bundle.public_key)}, {whose}.")


def _install(bundle: Bundle, folder: Path, *, allow_older: bool) -> None:
    started_s = time.monotonic()
    release = install_release(
        bundle,
        folder,
        allow_older=allow_older,
        progress=Meter("copied"),
        tell=lambda step: print(step, flush=True),
    )
    if not release.fresh:
        print("This bundle is installed already.")
    aura = folder.absolute() / "current" / "environment" / "bin" / "aura"
    print(f"Installed in {time.monotonic() - started_s:.0f} s. Next:")
    print(f"  export AURA_HOME={release.home}")
    print(f"  {aura} serve")


class Meter:
    """Prints how far a work is: at every tenth, and at the end."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._told = -1

    def __call__(self, name: str, done_bytes: int, all_bytes: int) -> None:
        tenth = 10 if all_bytes == 0 else 10 * done_bytes // all_bytes
        if tenth != self._told:
            self._told = tenth
            print(f"  {self._verb} {done_bytes / 1e6:,.0f} of {all_bytes / 1e6:,.0f} MB", flush=True)
