"""The command `aura`. Layer 5; one file per command.

Only what `--help` needs is imported before a command runs, so that it answers at once; every command
calls `egress.forbid_egress` before it imports anything heavy (`running.run_command` does).
"""

from __future__ import annotations


def main() -> None:
    """Entry point of the console script."""
    from aura_local.commands.application import build_application

    build_application()()
