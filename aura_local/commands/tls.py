"""`aura tls self-signed`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aura_local.commands.options import HomeOption, JsonOption
from aura_local.commands.output import print_json
from aura_local.commands.panels import INSTALLATION
from aura_local.commands.running import run_command

if TYPE_CHECKING:
    from aura_local.settings_sources import LoadedSettings


def register(application: typer.Typer) -> None:
    group = typer.Typer(
        help="Certificates for https on your network.", no_args_is_help=True, rich_markup_mode="rich"
    )
    group.command("self-signed")(self_signed)
    application.add_typer(group, name="tls", rich_help_panel=INSTALLATION)


def self_signed(
    host: Annotated[
        list[str] | None,
        typer.Option(
            "--host", help="Name or address others reach this machine by; repeat it. Default: its own names."
        ),
    ] = None,
    days: Annotated[int, typer.Option("--days", help="How long it is valid; at most 825.")] = 365,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for certificate.pem and certificate.key.", file_okay=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a certificate that exists.")] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Make a certificate for this machine, so that browsers elsewhere may use their microphone."""

    async def work(loaded: LoadedSettings) -> None:
        from aura_local.commands.self_signed import machine_names, make_self_signed

        # Beside the master key, not in the data folder: copies of the data must not carry the server's key.
        folder = out or loaded.values.master_key_file.parent / "tls"
        made = make_self_signed(folder, host or machine_names(), days=days, replace=force)
        if as_json:
            print_json(
                {
                    "certificate": str(made.certificate),
                    "key": str(made.key),
                    "names": made.names,
                    "fingerprint": made.fingerprint,
                    "valid_until": made.valid_until.isoformat(),
                }
            )
            return
        typer.echo(f"Certificate: {made.certificate}")
        typer.echo(f"Key:         {made.key}")
        typer.echo(f"For:         {', '.join(made.names)}")
        typer.echo(f"Valid until: {made.valid_until:%Y-%m-%d}")
        typer.echo(f"SHA-256:     {made.fingerprint}")
        typer.echo("")
        typer.echo("Serve with it:")
        typer.echo(f"  aura serve --host 0.0.0.0 --tls-cert {made.certificate} --tls-key {made.key}")
        typer.echo("")
        typer.echo(
            "Browsers warn once: compare the SHA-256 they show with the one above, then go on. To end the "
            "warning, copy the certificate (never the key) to each device and trust it there: Windows, "
            "double-click it, into Trusted Root Certification Authorities; macOS, in Keychain Access, Always "
            "Trust; Firefox, Settings, Certificates, Servers, Add Exception; Linux with Chromium, "
            f"certutil -d sql:$HOME/.pki/nssdb -A -t P,, -n aura -i {made.certificate.name}"
        )

    run_command(work, home=home, as_json=as_json)
