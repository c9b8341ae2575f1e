"""`aura bundle key|create|verify|install`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import anyio.to_thread
import typer

from aura_local.commands.bundle_create import make_bundle
from aura_local.commands.bundle_install import install_models
from aura_local.commands.byte_bar import byte_bar
from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import print_json
from aura_local.commands.panels import INSTALLATION
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings

BundleArgument: TypeAlias = Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.")]
PublicKeyOption: TypeAlias = Annotated[
    str | None, typer.Option("--key", help="Public key of its maker: aura-ed25519:..., or a file with it.")
]
FingerprintOption: TypeAlias = Annotated[
    str | None, typer.Option("--trust-fingerprint", help="Instead of --key: the fingerprint of that key.")
]


def register(application: typer.Typer) -> None:
    group = typer.Typer(
        help="Signed bundles for machines without a network: make, check, install.", no_args_is_help=True
    )
    group.command("key")(key)
    group.command("create")(create)
    group.command("verify")(verify)
    group.command("install")(install)
    application.add_typer(group, name="bundle", rich_help_panel=INSTALLATION)


def key(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Left out: beside the master key.", dir_okay=False)
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Make the key that signs bundles, and print its public half, which machines are given to trust."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.bundle.signing import KEY_FILE, make_signing_key
        from aura_local.bundle.trust import fingerprint, key_text

        path = output or loaded.values.master_key_file.parent / KEY_FILE
        public = await anyio.to_thread.run_sync(make_signing_key, path)
        if as_json:
            names = {"file": str(path), "public_key": key_text(public)}
            print_json(names | {"fingerprint": fingerprint(public)})
        else:
            print(f"signing key  {path} (keep it secret)")
            print(f"public key   {key_text(public)}")
            print(f"fingerprint  {fingerprint(public)}")

    run_command(work, home=home, as_json=as_json)


def create(
    output: Annotated[Path, typer.Option("--output", "-o", help="The bundle to write.", dir_okay=False)],
    profile: Annotated[
        str, typer.Option("--profile", help="tiny, small, balanced, best, gpu, or demo: what ships alone.")
    ],
    platform: Annotated[
        str | None, typer.Option("--platform", help="Such as linux-x86_64; left out, this machine's.")
    ] = None,
    signing_key: Annotated[
        Path | None, typer.Option("--key", help="Signing key; left out, the one beside the master key.")
    ] = None,
    since: Annotated[
        Path | None, typer.Option("--since", help="An earlier bundle: carry only what changed since.")
    ] = None,
    wheels: Annotated[
        Path | None, typer.Option("--wheels", help="A folder with all wheels, instead of making them.")
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Put AURA Local, all that it needs and a profile's models into one signed file.

    On a connected machine of the same kind as the one to install on.
    """

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.bundle.creating import Order

        order = Order(output, profile, platform, since, wheels)
        await make_bundle(loaded.values, order, signing_key, as_json=as_json)

    run_command(work, home=home, as_json=as_json)


def verify(
    file: BundleArgument,
    public_key: PublicKeyOption = None,
    trust_fingerprint: FingerprintOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Check a bundle's signature and every file. Without a key: whether it is whole, and who signed it."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.bundle.reading import Progress, open_bundle
        from aura_local.bundle.signing import signature_holds
        from aura_local.bundle.trust import Trust, fingerprint, read_key

        named = None if public_key is None else read_key(public_key)
        anybody = named is None and trust_fingerprint is None

        def prove(progress: Progress) -> dict[str, object]:
            trust = None if anybody else Trust(named, trust_fingerprint)
            with open_bundle(file, trust, holds=signature_holds) as bundle:
                bundle.verify(progress)
                found = bundle.manifest
                return {
                    "version": found.version,
                    "created": found.created,
                    "platform": found.platform,
                    "python": found.python,
                    "profile": found.profile,
                    "files": len(found.files),
                    "bytes": found.carried_bytes,
                    "base": found.base,
                    "manifest_sha256": bundle.manifest_sha256,
                    "fingerprint": fingerprint(bundle.public_key),
                    "trusted": not anybody,
                }

        with byte_bar("verifying") as progress:
            facts = await anyio.to_thread.run_sync(prove, progress)
        if as_json:
            print_json(facts)
            return
        for name, value in facts.items():
            if value is not None and name != "trusted":
                print(f"{name.replace('_', ' '):<16} {value}")
        print("Every file is as it was signed.")
        if anybody:
            typer.echo("Anybody can sign: compare the fingerprint with what its maker told you.", err=True)

    run_command(work, home=home, as_json=as_json)


def install(
    file: BundleArgument,
    public_key: PublicKeyOption = None,
    trust_fingerprint: FingerprintOption = None,
    allow_older: Annotated[bool, typer.Option("--allow-older", help="Go back to an older bundle.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Install a bundle's models and voices into this data folder.

    AURA Local itself is installed from a bundle by `python3 FILE install --to FOLDER`.
    """

    async def work(loaded: LoadedSettings) -> None:
        await install_models(
            loaded, file, public_key, trust_fingerprint, allow_older=allow_older, as_json=as_json
        )

    run_command(work, home=home, as_json=as_json)
