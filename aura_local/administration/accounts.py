"""Everything that knows about credentials, put together over the platform's file. Layer 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aura_local.accounts.api_keys import ApiKeys
    from aura_local.accounts.authenticator import Authenticator
    from aura_local.accounts.directory import Directory
    from aura_local.accounts.links import Links
    from aura_local.accounts.logins import Logins
    from aura_local.accounts.throttle import Throttle
    from aura_local.accounts.tickets import Tickets
    from aura_local.accounts.visitors import Visitors
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
    def over(cls, database: Database) -> Accounts:
        """Over the platform's database; nothing is read yet."""
        from aura_local.accounts.api_keys import ApiKeys
        from aura_local.accounts.authenticator import Authenticator
        from aura_local.accounts.directory import Directory
        from aura_local.accounts.links import Links
        from aura_local.accounts.logins import Logins
        from aura_local.accounts.passwords import Passwords
        from aura_local.accounts.signing_keys import SigningKeys
        from aura_local.accounts.throttle import Throttle
        from aura_local.accounts.tickets import Tickets
        from aura_local.accounts.visitors import Visitors

        keys = SigningKeys(database)
        passwords, throttle, tickets = Passwords(), Throttle(), Tickets()
        return cls(
            api_keys=ApiKeys(database),
            directory=Directory(database, passwords=passwords, throttle=throttle),
            links=Links(database, passwords=passwords),
            logins=Logins(database, keys, throttle=throttle, passwords=passwords),
            throttle=throttle,
            tickets=tickets,
            visitors=Visitors(database, keys),
            authenticator=Authenticator(database, keys, tickets),
        )
