"""`aura serve`, also `python -m aura_server`. Layer 5.

Light on purpose: `aura --help` imports this file to show the command.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (default 127.0.0.1).")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 takes a free one (default 8765).")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="`auto`, or `demo` for the small synthetic models that ship.")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Data folder; AURA_HOME sets it as well.", file_okay=False)
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="Certificate in PEM format; serves https.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", help="Private key of the certificate, in PEM format.")
    ] = None,
    demo_tenant: Annotated[
        bool, typer.Option("--demo-tenant", help="Make the museum's tenant and print a link with its key.")
    ] = False,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Log one JSON object per line.")] = False,
    log_private: Annotated[
        bool,
        typer.Option("--log-private", help="At log level debug, also log what people say and write."),
    ] = False,
) -> None:
    """Serve the pages, the HTTP API and the voice socket until interrupted."""
    from aura_local.egress import forbid_egress

    forbid_egress()
    import asyncio

    from aura_local.errors import AuraError, ConfigurationError
    from aura_local.logs import configure_logging
    from aura_local.passphrase import passphrase_for
    from aura_local.settings_sources import load_settings
    from aura_server.serving import run_server

    failure: BaseException | None = None
    try:
        arguments = {"server.host": host, "server.port": port, "profile": profile, "home": home}
        arguments |= {"server.tls_cert": tls_cert, "server.tls_key": tls_key}
        loaded = load_settings(arguments)
        configure_logging(loaded.values.log_level, json_lines=json_logs, show_private=log_private)
        passphrase = passphrase_for(loaded.values)
        asyncio.run(run_server(loaded, demo_tenant=demo_tenant, say=_say, passphrase=passphrase))
    except* AuraError as group:
        failure = group.exceptions[0]
    except* KeyboardInterrupt:
        raise typer.Exit(130) from None  # before the server was up; afterwards it ends with 0
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    if failure is not None:
        typer.echo(f"error: {failure}", err=True)
        raise typer.Exit(2 if isinstance(failure, ConfigurationError) else 1)


def _say(line: str) -> None:
    if line:
        typer.echo(line)


if __name__ == "__main__":
    typer.run(serve)
