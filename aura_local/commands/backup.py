"""`aura backup make|verify|restore`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from aura_local.commands.confirmation import confirm_by_typing
from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import moment, print_json
from aura_local.commands.panels import ACCESS
from aura_local.commands.progress_bar import progress_bar
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings
    from aura_local.storage.backup_manifest import BackupManifest

BackupArgument: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER", help="A folder that `aura backup make` wrote.", exists=True, file_okay=False
    ),
]
KeyFileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--key-file", help="Master key of the backup, where it is another one than today's."),
]


def register(application: typer.Typer) -> None:
    group = typer.Typer(help="Make, verify and restore backups.", no_args_is_help=True)
    group.command("make")(make)
    group.command("verify")(verify)
    group.command("restore")(restore)
    application.add_typer(group, name="backup", rich_help_panel=ACCESS)


def make(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder, not in the data folder.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Write a backup of the whole data folder, while the server runs. Exit code 1 when a tenant is damaged.

    Everything in it is encrypted. The key file is not in it, nor are the vector indexes.
    """
    from aura_local.commands.failures import ExitCode

    async def work(loaded: LoadedSettings) -> ExitCode:
        from aura_local.accounts.principal import operator
        from aura_local.commands.opening import open_home

        async with open_home(loaded) as data:
            with progress_bar("Copying tenants") as progress:
                receipt = await data.administration.backups.make(operator(), folder, progress=progress)
        if as_json:
            print_json(
                {
                    "folder": str(receipt.folder),
                    "tenants": receipt.tenants,
                    "files": receipt.files,
                    "size_bytes": receipt.size_bytes,
                    "left_out": list(receipt.left_out),
                }
            )
        else:
            print(f"{receipt.folder}: {receipt.tenants} tenants, {receipt.size_bytes:,} bytes.")
            for tenant_id in receipt.left_out:
                typer.echo(f"left out: tenant {tenant_id}, whose file is damaged", err=True)
            if loaded.values.master_key_source == "file":
                typer.echo(
                    f"It needs the master key {loaded.values.master_key_file}: keep a copy elsewhere.",
                    err=True,
                )
        return ExitCode.FAILED if receipt.left_out else ExitCode.DONE

    run_command(work, home=home, as_json=as_json)


def verify(
    folder: BackupArgument,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Check that a backup could be restored: every file compared, every database opened. Changes nothing."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.commands.backup_key import key_of_backup
        from aura_local.storage.backup_verification import verify_backup

        key = key_of_backup(folder, loaded.values, key_file)
        with progress_bar("Checking files") as progress:
            manifest = await verify_backup(folder, key.master_key, progress=progress)
        _print(manifest, "sound", as_json=as_json)

    run_command(work, home=home, as_json=as_json)


def restore(
    folder: BackupArgument,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Put this tenant alone back; the others stay.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="What is in the data folder now may be lost.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before replacing.")] = False,
    key_file: KeyFileOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Put a backup back: the whole data folder (stop the server first), or one tenant of it."""
    if (replace or tenant is not None) and not yes:
        lost = "the data folder" if tenant is None else "this tenant"
        confirm_by_typing("replace", f"Type replace to give up what {lost} holds now", as_json=as_json)

    async def work(loaded: LoadedSettings) -> None:
        if tenant is None:
            manifest = await _restore(loaded, folder, key_file, replace=replace)
            _print(manifest, "restored", as_json=as_json)
            return
        restored = await _restore_tenant(loaded, folder, tenant, key_file)
        if as_json:
            print_json({"status": "restored", "tenant": restored})
        else:
            print(f"Restored the tenant {tenant}.")

    run_command(work, home=home, as_json=as_json)


async def _restore(
    loaded: LoadedSettings, folder: Path, key_file: Path | None, *, replace: bool
) -> BackupManifest:
    from aura_local.accounts.principal import operator
    from aura_local.commands.backup_key import key_of_backup
    from aura_local.data_home import open_data_home
    from aura_local.storage.restoring import restore

    key = key_of_backup(folder, loaded.values, key_file)
    with progress_bar("Restoring files") as progress:
        manifest = await restore(
            folder, loaded.values.home, key.master_key, replace=replace, progress=progress
        )
    async with open_data_home(key.settings, key.passphrase) as data:
        await data.administration.backups.record_restoration(operator(), made_at=manifest.created_at)
    for name in ("master_key_source", "master_key_file"):
        if getattr(key.settings, name) != getattr(loaded.values, name):
            typer.echo(
                f'From now on it needs the setting {name} = "{getattr(key.settings, name)}".', err=True
            )
    return manifest


async def _restore_tenant(loaded: LoadedSettings, folder: Path, name: str, key_file: Path | None) -> str:
    from aura_local.accounts.principal import operator
    from aura_local.commands.backup_key import key_in_file
    from aura_local.commands.opening import open_home
    from aura_local.commands.tenants import find_tenant

    former = None if key_file is None else key_in_file(key_file, loaded.values.home)
    async with open_home(loaded, alone=True) as data:
        tenant = await find_tenant(data.catalog, name)
        with progress_bar(f"Restoring {tenant.name}") as progress:
            await data.administration.backups.restore_tenant(
                operator(), folder, tenant.id, master_key=former, progress=progress
            )
    return tenant.id


def _print(manifest: BackupManifest, status: str, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "status": status,
                "created_at": manifest.created_at,
                "product_version": manifest.product_version,
                "tenants": len(manifest.tenant_ids()),
                "files": len(manifest.files),
                "left_out": list(manifest.left_out),
            }
        )
        return
    tenants = len(manifest.tenant_ids())
    print(f"The backup of {moment(manifest.created_at)} is {status}: {tenants} tenants.")
    for tenant_id in manifest.left_out:
        typer.echo(f"not in it: tenant {tenant_id}, whose file was damaged then", err=True)
