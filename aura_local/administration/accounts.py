"""Everything that knows about credentials, put together over the platform's file. Layer 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aura_local.accounts.api_keys import ApiKeys
    from aura_local.accounts.authenticator import Authenticator
    from aura_local.accounts.directory import Directory
    from aura_local.accounts.links import Links, Purpose
    from aura_local.accounts.logins import Logins
    from aura_local.accounts.throttle import Throttle
    from aura_local.accounts.tickets import Tickets
    from aura_local.accounts.visitors import Visitors
    from aura_local.sign_in_settings import CredentialSettings
    from aura_local.storage.database import Database


@dataclass(frozen=True, slots=True)
class Accounts:
    """One of each, over the same database and the same signing keys."""

    api_keys: ApiKeys
    directory: Directory
    links: Links
    logins: Logins
    throttle: Throttle
    tickets: Tickets
    visitors: Visitors
    authenticator: Authenticator

    @classmethod
    def over(cls, database: Database, settings: CredentialSettings) -> Accounts:
        """Over the platform's database; nothing is read yet."""
        from datetime import timedelta

        from aura_local.accounts.api_keys import ApiKeys
        from aura_local.accounts.authenticator import Authenticator
        from aura_local.accounts.directory import Directory
        from aura_local.accounts.links import Links
        from aura_local.accounts.logins import Logins
        from aura_local.accounts.passwords import Passwords
        from aura_local.accounts.signing_keys import SigningKeys, TokenLifetimes
        from aura_local.accounts.throttle import Throttle
        from aura_local.accounts.tickets import Tickets
        from aura_local.accounts.visitors import Visitors

        lifetimes = TokenLifetimes(settings.access_token_s, settings.visitor_token_s)
        keys, passwords = SigningKeys(database, lifetimes=lifetimes), Passwords()
        tickets = Tickets(lifetime_s=settings.socket_ticket_s)
        throttle = Throttle(attempts=settings.failed_sign_ins, window_s=settings.failed_sign_ins_window_s)
        links: dict[Purpose, timedelta] = {
            "setup": timedelta(seconds=settings.setup_link_s),
            "invitation": timedelta(seconds=settings.invitation_link_s),
            "reset": timedelta(seconds=settings.reset_link_s),
        }
        return cls(
            api_keys=ApiKeys(database, longest_overlap=timedelta(seconds=settings.key_overlap_s)),
            directory=Directory(database, passwords=passwords, throttle=throttle),
            links=Links(database, lifetimes=links, passwords=passwords),
            logins=Logins(
                database,
                keys,
                refresh_lifetime=timedelta(seconds=settings.refresh_token_s),
                throttle=throttle,
                passwords=passwords,
            ),
            throttle=throttle,
            tickets=tickets,
            visitors=Visitors(database, keys),
            authenticator=Authenticator(database, keys, tickets),
        )
